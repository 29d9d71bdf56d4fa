import Foundation
import LocalAPI

/// What the socket adds to every launch: a call of the size of Attach and its answer, without the agent's work.
enum VarlinkBenchmark {
    @Sendable static func run() async throws {
        let path = "/tmp/otr-bench-\(ProcessInfo.processInfo.processIdentifier).sock"
        let answer: JSONValue = [
            "sni": 4122, "ipv4": "10.0.16.26", "ipv6": "fd53:4e49:5349:10:1a00::1", "gateway4": "169.254.1.1",
            "gateway6": "fe80::1", "mtu": 1450, "port": "sni00101a", "mac": "06:4f:52:00:10:1a", "class": "standard",
            "served_from": "staged",
        ]
        let server = try VarlinkServer.listen(
            path: path, group: nil, info: VarlinkServiceInfo(product: "bench", version: "1"),
            interfaces: ["io.outrider.Bench": "interface io.outrider.Bench\nmethod Attach() -> ()\n"]
        ) { _, _ in .success(answer) }
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { await server.run() }
            var client = try VarlinkClient(path: path)
            let parameters: JSONValue = [
                "application": "0d3c7e0a-6f6e-4a53-9b50-0d3c7e0a6f6e", "vm": "bench", "nic": 0,
                "port": ["veth": ["namespace": "/run/netns/bench", "name": "eth0"]],
            ]
            try await Report.each("varlink: one call", operations: 10_000) { _ in
                let reply = try client.call("io.outrider.Bench.Attach", parameters)
                precondition(reply["sni"] == 4122)
            }
            group.cancelAll()
        }
    }
}
