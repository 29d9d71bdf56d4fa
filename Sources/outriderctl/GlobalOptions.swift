import ArgumentParser
import DaemonSupport
import Foundation
import NetworkTypes

/// How results are printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table
    case json
}

/// Options of every verb.
struct GlobalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Address of the coordinator, HOST:PORT.", discussion: "From OUTRIDER_COORDINATOR unless given.",
            valueName: "address"))
    var coordinator: String = environment("OUTRIDER_COORDINATOR") ?? "127.0.0.1:7400"

    @Option(
        help: ArgumentHelp(
            "Socket of this host's agent.", discussion: "From OUTRIDER_AGENT_SOCKET unless given.", valueName: "path"))
    var agentSocket: String = environment("OUTRIDER_AGENT_SOCKET") ?? "/run/outrider/agent.sock"

    @Option(name: .shortAndLong, help: "Format of the result.")
    var output: OutputFormat = .table

    @Option(help: ArgumentHelp("How long to wait for an answer, such as 500ms, 10s, 2m.", valueName: "duration"))
    var timeout: DurationArgument = DurationArgument(duration: .seconds(10))

    /// Where the coordinator is.
    ///
    /// - Throws: `ControlFailure` unless the address is `HOST:PORT`; checked here and not by the parser, since it may
    ///   come from the environment.
    func endpoint() throws(ControlFailure) -> Endpoint {
        guard let endpoint = Endpoint(coordinator) else {
            throw ControlFailure(
                .usage,
                "'\(coordinator)' is no address of a coordinator: expected HOST:PORT, such as 10.0.0.1:7400 or "
                    + "[fd00::1]:7400 (--coordinator or OUTRIDER_COORDINATOR)")
        }
        return endpoint
    }

    private static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// A duration on the command line.
struct DurationArgument: ExpressibleByArgument {
    let duration: Duration

    init(duration: Duration) { self.duration = duration }

    init?(argument: String) {
        guard let duration = DurationText.parse(argument), duration > .zero else { return nil }
        self.duration = duration
    }

    var defaultValueDescription: String { DurationText.print(duration) }

    /// For the wire.
    var milliseconds: UInt64 { UInt64(max(0, duration.inNanoseconds / 1_000_000)) }
}

/// A contiguous run of identifiers on the command line: `FIRST-LAST`, inclusive, decimal or with `0x`.
struct RangeArgument: ExpressibleByArgument {
    let range: SNIRange

    init?(argument: String) {
        let ends = argument.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard let first = ends.first.flatMap(SessionNetworkID.init(_:)),
            let last = ends.last.flatMap(SessionNetworkID.init(_:)), ends.count <= 2, first <= last,
            let range = SNIRange(first: first, count: Int(last.rawValue - first.rawValue) + 1)
        else { return nil }
        self.range = range
    }
}

/// One identifier on the command line.
struct IdentifierArgument: ExpressibleByArgument {
    let sni: SessionNetworkID

    init?(argument: String) {
        guard let sni = SessionNetworkID(argument) else { return nil }
        self.sni = sni
    }
}
