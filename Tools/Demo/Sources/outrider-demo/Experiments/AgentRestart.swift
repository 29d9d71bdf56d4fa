import Glibc
import LocalAPI
import NamespaceKit

/// Kills an agent and starts it again while its VMs are pinged; the data plane must not notice.
struct AgentRestart {
    let bench: Bench

    static let length = Duration.seconds(5)
    private static let killAfter = Duration.milliseconds(500)
    private static let downFor = Duration.milliseconds(500)
    private static let pace = Duration.milliseconds(5)

    struct Outcome: Sendable {
        var lost: Int
        var control: Int
    }

    func run() async throws -> Outcome {
        let near = try await bench.launcher.machine(of: bench.shop, on: 0)
        let far = try await bench.launcher.machine(of: bench.shop, on: 1)
        let control = try await pings(between: near, and: far) {}
        let host = bench.cluster.hosts[0]
        let before = try await offload { () throws(KitError) in try AgentSocket(path: host.socket).status() }
        let disturbed = try await pings(between: near, and: far) {
            try await Task.sleep(for: Self.killAfter)
            bench.cluster.agent(host)?.kill()
            try await Task.sleep(for: Self.downFor)
            try await offload { () throws(KitError) in try bench.cluster.startAgent(host) }
        }
        try await Daemons(cluster: bench.cluster).waitUntilBinding(host)
        let after = try await offload { () throws(KitError) in try AgentSocket(path: host.socket).status() }
        await bench.launcher.unpin(near)
        await bench.launcher.unpin(far)
        bench.checks.record(
            "agent restart loses no packet", disturbed.lost <= control.lost,
            "\(disturbed.lost) of \(disturbed.sent) lost, control \(control.lost) of \(control.sent)")
        bench.checks.record(
            "agent restart keeps bindings", after.boundCount == before.boundCount,
            "\(before.boundCount) before, \(after.boundCount) after")
        return Outcome(lost: disturbed.lost, control: control.lost)
    }

    /// Pings in both directions, one per family, for the fixed length; `disturb` runs meanwhile.
    private func pings(
        between near: LaunchedMachine, and far: LaunchedMachine, _ disturb: () async throws -> Void
    ) async throws -> PingStatistics {
        let stop = StopFlag()
        let began = ContinuousClock.now
        async let there = offload { () throws(KitError) in
            near.slot.echoIPv4.stream(to: far.ipv4, every: Self.pace, until: stop)
        }
        async let back = offload { () throws(KitError) in
            far.slot.echoIPv6.stream(to: near.ipv6, every: Self.pace, until: stop)
        }
        do {
            try await disturb()
            try await Task.sleep(until: began + Self.length)
        } catch {
            stop.raise()
            _ = try await (there, back)
            throw error
        }
        stop.raise()
        var total = try await there
        let other = try await back
        total.sent += other.sent
        total.received += other.received
        total.longestGap = max(total.longestGap, other.longestGap)
        return total
    }
}
