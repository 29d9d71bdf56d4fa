import ArgumentParser
import ControlAPI
import NetworkTypes
import SwiftProtobuf

struct ReclaimRange: ReclaimVerb {
    static let configuration = CommandConfiguration(
        commandName: "range", abstract: "Every block that a range touches.")
    @OptionGroup var options: GlobalOptions
    @OptionGroup var reclaim: ReclaimOptions
    @Argument(help: "FIRST-LAST, inclusive.") var range: RangeArgument

    var target: Outrider_V1_ReclaimRequest.OneOf_Target {
        .range(
            .with {
                $0.first = range.range.first.rawValue
                $0.count = UInt32(range.range.count)
            })
    }
}
