import ArgumentParser
import ControlAPI
import DaemonSupport
import Foundation
import SwiftProtobuf

struct ForecastHistory: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "The past of one application.",
        discussion: """
            VMs and memory are means over a step, the rest is what was added within it. '-' is not known, which is not \
            zero. At an aggregate interval of ten seconds, fine steps are ten seconds (half an hour is kept), middle ones \
            five minutes (a day), coarse ones an hour (two weeks).
            """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Name or id of the application.") var application: String
    @Option(help: "How finely: fine, middle or coarse.") var resolution = Resolution.fine
    @Option(help: "Newest steps only, so many; 0 for all.") var last: UInt32 = 0

    enum Resolution: String, CaseIterable, ExpressibleByArgument {
        case fine, middle, coarse

        var value: Outrider_V1_HistoryResolution {
            switch self {
            case .fine: .fine
            case .middle: .middle
            case .coarse: .coarse
            }
        }
    }

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.profiler.getHistory(
            .with {
                $0.application = application
                $0.resolution = resolution.value
                $0.last = last
            }, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) { Self.lines(answer, name: names[answer.application]) }
    }

    static func lines(_ answer: Outrider_V1_History, name: String) -> [String] {
        var facts = Facts()
        facts.add("application", name)
        facts.add("step", Words.milliseconds(answer.stepMs))
        facts.add("kept", "\(answer.keptBytes) bytes")
        var table = Table([
            .text("ENDED"), .number("VMS"), .number("LAUNCHES"), .number("CPU"), .number("MEMORY"), .number("RECEIVED"),
            .number("SENT"), .number("BETWEEN VMS"),
        ])
        for (index, point) in answer.points.enumerated() {
            let steps = UInt64(answer.points.count - 1 - index)
            let end = answer.endedUnixMs - min(answer.endedUnixMs, steps * answer.stepMs)
            table.add([
                moment(end), point.hasVms ? String(point.vms) : "", point.hasLaunches ? String(point.launches) : "",
                point.hasCpuMs ? "\(Words.fraction(Double(point.cpuMs) / 1000)) s" : "",
                point.hasMemoryBytes ? String(point.memoryBytes) : "", point.hasRxBytes ? String(point.rxBytes) : "",
                point.hasTxBytes ? String(point.txBytes) : "", point.hasPeerBytes ? String(point.peerBytes) : "",
            ])
        }
        return facts.lines + [""] + table.lines
    }

    private static func moment(_ milliseconds: UInt64) -> String {
        Date(timeIntervalSince1970: Double(milliseconds) / 1000).formatted(.iso8601)
    }
}
