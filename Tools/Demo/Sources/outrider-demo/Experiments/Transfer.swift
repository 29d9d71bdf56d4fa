import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes

/// An iperf3 run between two hosts, and the port counters before and after it.
struct Transfer {
    let bench: Bench

    private struct Result: Decodable {
        struct End: Decodable {
            struct Sum: Decodable {
                var bytes: Double
                var bits_per_second: Double
            }
            var sum_received: Sum
        }
        var end: End
    }

    /// Gigabits per second.
    func run() async throws -> Double {
        let sender = try await bench.launcher.machine(of: bench.shop, on: 0)
        let receiver = try await bench.launcher.machine(of: bench.shop, on: 1)
        let before = try await counters(sender, receiver)
        let text = try await offload { () throws(KitError) in
            let log = bench.cluster.settings.directory + "/iperf3-server.log"
            let server = try ChildProcess(
                ["iperf3", "-s", "-1", "--forceflush"], namespace: receiver.slot.name, output: log)
            defer { server.stop(grace: .milliseconds(500)) }
            try bench.cluster.waitUntil("iperf3 listens", timeout: .seconds(5), by: server) {
                server.outputText.contains("listening")
            }
            return try Command.run(
                ["iperf3", "-c", "\(receiver.ipv4)", "-t", "2", "-J"], namespace: sender.slot.name)
        }
        // Retransmissions and closing segments are over well before this.
        try await Task.sleep(for: .milliseconds(500))
        let after = try await counters(sender, receiver)
        await bench.launcher.unpin(sender)
        await bench.launcher.unpin(receiver)
        guard let result = try? JSONDecoder().decode(Result.self, from: Data(text.utf8)) else {
            throw KitError.unexpected("iperf3: \(text.prefix(500))")
        }
        let bytes = UInt64(result.end.sum_received.bytes)
        let rate = result.end.sum_received.bits_per_second / 1e9
        bench.checks.record(
            "VMs on different hosts exchange data", bytes > 0,
            String(format: "iperf3 %.2f Gbit/s, %llu bytes", rate, bytes))
        compare(before, after, bytes: bytes)
        return rate
    }

    /// Counters of both ports, once as the agent's sampler reads them and once as `ip` does.
    private struct Reading: Sendable {
        var agent: [PortCounters]
        var kernel: [PortCounters]
    }

    private func counters(_ machines: LaunchedMachine...) async throws -> Reading {
        var reading = Reading(agent: [], kernel: [])
        for machine in machines {
            let host = bench.cluster.hosts[machine.host]
            let port = machine.attachment.port
            let pair = try await offload { () throws(KitError) in
                (
                    try PortCounters(sampled: port, in: host.overlayNamespace),
                    try PortCounters(link: port, in: host.overlayNamespace)
                )
            }
            reading.agent.append(pair.0)
            reading.kernel.append(pair.1)
        }
        return reading
    }

    private func compare(_ before: Reading, _ after: Reading, bytes: UInt64) {
        let moved = after.kernel[1].sentBytes - before.kernel[1].sentBytes
        bench.checks.record(
            "port counters equal the kernel's to the byte",
            after.agent == after.kernel && before.agent == before.kernel && moved >= bytes,
            after.agent == after.kernel
                ? "\(moved) bytes went out of the receiver's port, both sides agree on all counters"
                : "agent \(after.agent), ip \(after.kernel)")
    }
}
