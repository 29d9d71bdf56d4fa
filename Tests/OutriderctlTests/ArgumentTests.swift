import ArgumentParser
import DaemonSupport
import GRPCCore
import Testing

@testable import outriderctl

@Suite struct ArgumentTests {
    @Test(arguments: ["9-5", "", "-", "1-2-3", "16777216", "1-16777216", "x-y"])
    func malformedRangesAreRefused(text: String) {
        #expect(RangeArgument(argument: text) == nil)
    }

    @Test(arguments: [("5", "5"), ("0x10-0x1f", "16-31"), ("0-16777215", "0-16777215")])
    func ranges(text: String, meaning: String) throws {
        #expect("\(try #require(RangeArgument(argument: text)).range)" == meaning)
    }

    @Test(arguments: ["0s", "10", "-5s", "1 h"])
    func malformedDurationsAreRefused(text: String) {
        #expect(DurationArgument(argument: text) == nil)
    }

    @Test func everyVerbParses() throws {
        let lines = [
            "status", "check", "pool", "app list", "app show web", "app create web --priority batch --mode observe",
            "app set web --floor 4 --allow db", "app delete web", "session list", "session create web --label x",
            "session end 1", "host list", "host show a", "range list --app web",
            "range allocate web --count 8 --lifetime 10m", "reservation list", "reservation extend 1 --lifetime 2h",
            "reservation release 1 --reason done", "lease list --host a", "forecast list", "forecast show web",
            "forecast decisions", "forecast schedule", "reclaim sni 5 --reason x --dry-run",
            "reclaim range 16-31 --reason x", "reclaim app web --reason x --force", "reclaim host a --reason x",
            "reclaimed --after 7", "vm list --output json", "agent",
            "vm attach --app web --vm a --veth /run/netns/a --mac 06:4f:52:00:10:1a",
            "vm attach --app web --vm a --tap --uid 5",
            "vm attach --app web --vm a --nic 3 --later", "vm plug --vm a --port tap0", "vm detach --vm a --nic 3",
            "vm detach --vm a --hold 12h", "agent show", "agent resolve", "host thaw a --keep machine",
            "host fence a --powered-off --reason x", "host fence a --assume-off --reason x",
            "host fence a --reason x", "host replace a --reason x", "migration list",
            "migration start --vm a --nic 1 --to b", "migration abort --vm a --reason x", "restore end --reason x",
            "sharding show -o json", "sharding export", "sharding diff a.json", "sharding apply -",
        ]
        for line in lines {
            _ = try Outriderctl.parseAsRoot(line.split(separator: " ").map(String.init))
        }
    }

    @Test(arguments: [
        "reclaim sni 5", "reclaim sni 5 --reason  ", "app create", "range allocate web", "nonsense",
        "vm attach --app web --vm a", "vm attach --app web --vm a --tap --later",
        "vm attach --app web --vm a --veth here",
        "vm attach --app web --vm a --later --uid 5", "vm detach --vm a --nic 256",
        "vm detach --vm a --hold 12", "host fence a", "host fence a --powered-off --assume-off --reason x",
        "host replace a --reason  ", "migration start --vm a", "migration abort --vm a", "restore end",
        "sharding diff", "sharding apply", "sharding show a.json",
    ])
    func incompleteLinesAreUsageErrors(line: String) {
        let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        let error = #expect(throws: (any Error).self) { try Outriderctl.parseAsRoot(words) }
        if let error { #expect(Outriderctl.exitCode(for: error).rawValue == DaemonSupport.ExitCode.usage.rawValue) }
    }

    /// Who refuses answers; its own words say why.
    @Test func aRefusalOfWhoAnswersIsNoSilence() {
        let away = RPCError(
            code: .unavailable, message: "the profiler does not answer", metadata: ["outrider-code": "no-profiler"])
        #expect(
            ControlFailure(away, coordinator: "c:1") == ControlFailure(.unavailable, "the profiler does not answer"))
        let silent = ControlFailure(RPCError(code: .unavailable, message: "refused"), coordinator: "c:1")
        #expect(silent.message.hasPrefix("no coordinator answers at c:1"))
    }

    @Test(arguments: [
        (RPCError.Code.unavailable, DaemonSupport.ExitCode.unavailable), (.deadlineExceeded, .temporary),
        (.invalidArgument, .usage), (.outOfRange, .usage), (.alreadyExists, .cannotCreate), (.aborted, .temporary),
        (.resourceExhausted, .temporary), (.permissionDenied, .permission), (.unauthenticated, .permission),
        (.notFound, .failure), (.failedPrecondition, .failure), (.internalError, .failure),
        (.unimplemented, .unavailable),
    ])
    func statusBecomesExitCode(code: RPCError.Code, status: DaemonSupport.ExitCode) {
        let failure = ControlFailure(RPCError(code: code, message: "why"), coordinator: "a:1")
        #expect(failure.status == status)
        #expect(failure.message.contains("why") || code == .deadlineExceeded)
    }
}
