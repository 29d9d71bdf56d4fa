import ArgumentParser
import ControlAPI

struct ReclaimApplication: ReclaimVerb {
    static let configuration = CommandConfiguration(
        commandName: "app", abstract: "Everything an application holds and does not use.")
    @OptionGroup var options: GlobalOptions
    @OptionGroup var reclaim: ReclaimOptions
    @Argument(help: "Name or id of the application.") var application: String

    var target: Outrider_V1_ReclaimRequest.OneOf_Target { .application(application) }
}
