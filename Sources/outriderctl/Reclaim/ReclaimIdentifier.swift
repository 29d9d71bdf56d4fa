import ArgumentParser
import ControlAPI
import NetworkTypes

struct ReclaimIdentifier: ReclaimVerb {
    static let configuration = CommandConfiguration(
        commandName: "sni", abstract: "The block around one identifier.")
    @OptionGroup var options: GlobalOptions
    @OptionGroup var reclaim: ReclaimOptions
    @Argument(help: "Identifier, decimal or with 0x.") var sni: IdentifierArgument

    var target: Outrider_V1_ReclaimRequest.OneOf_Target { .sni(sni.sni.rawValue) }
}
