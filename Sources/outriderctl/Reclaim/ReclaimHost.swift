import ArgumentParser
import ControlAPI

struct ReclaimHost: ReclaimVerb {
    static let configuration = CommandConfiguration(
        commandName: "host", abstract: "Everything a host holds and does not use.")
    @OptionGroup var options: GlobalOptions
    @OptionGroup var reclaim: ReclaimOptions
    @Argument(help: "Name of the host.") var host: String

    var target: Outrider_V1_ReclaimRequest.OneOf_Target { .host(host) }
}
