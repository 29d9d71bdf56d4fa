import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes
import Testing

/// The real programs on underlays of both families, and the verbs with which an operator looks at one host.
@Suite(.serialized)
struct VerbTests {
    @Test(arguments: [Underlay.Endpoints.ipv6, .loopback4, .loopback6])
    func anInstallationWorksOverEveryUnderlay(_ endpoints: Underlay.Endpoints) async throws {
        try await TestBed.run("u\(endpoints.rawValue.suffix(6))", endpoints: endpoints) { bed in
            let red = try bed.createApplication("red")
            let blue = try bed.createApplication("blue")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            let other = try bed.launch("blue-1", of: blue, on: 1)
            for address in far.addresses { #expect(near.reaches(address, within: .seconds(5)), "\(address)") }
            for address in other.addresses { #expect(!near.reaches(address, within: .milliseconds(300)), "\(address)") }
            let mtu = Underlay.mtu - endpoints.overhead
            #expect(near.attachment.addressing.mtu == mtu)
            // The whole MTU fits through the tunnel, unfragmented.
            for (address, header) in [("\(far.ipv4)", 28), ("\(far.ipv6)", 48)] {
                let ping = try Command.attempt(
                    ["ping", "-q", "-c1", "-W2", "-M", "do", "-s", "\(mtu - header)", address],
                    namespace: near.slot.name)
                #expect(ping.status == 0, "\(ping.output)")
            }
            let host = bed.cluster.hosts[0]
            let check = try Command.attempt(
                [bed.cluster.program("outrider-agent"), "--check", "--config", host.configuration],
                namespace: host.namespace)
            #expect(check.output.contains("underlay paths: 1 tunnel endpoint"), "\(check.output)")
            #expect(try bed.socket(host).status().dataplane?.pending == [])
            let hosts = try bed.cluster.control(["host", "list"])
            for host in bed.cluster.hosts { #expect(hosts.output.contains("\(host.vtep)")) }
        }
    }

    private struct Drops: Decodable {
        struct Drop: Decodable {
            var reason: String
            var packets: Int
        }
        var drops: [Drop]
        func counts(of reasons: [String]) -> [Int] {
            reasons.map { reason in drops.first { $0.reason == reason }?.packets ?? -1 }
        }
    }

    private func drops(_ bed: TestBed, _ host: ClusterHost) throws -> Drops {
        let result = try Command.run(
            [bed.cluster.program("outriderctl"), "drops", "--agent-socket", host.socket, "--output", "json"])
        return try JSONDecoder().decode(Drops.self, from: Data(result.utf8))
    }

    @Test func dropsAreShownByReason() async throws {
        try await TestBed.run("drops") { bed in
            let red = try bed.createApplication("red")
            let blue = try bed.createApplication("blue")
            let attacker = try bed.launch("red-1", of: red, on: 0)
            let victim = try bed.launch("blue-1", of: blue, on: 0)
            let host = bed.cluster.hosts[0]
            let before = try drops(bed, host)
            #expect(before.drops.count == 13)
            #expect(before.counts(of: ["pair", "source", "underlay"]) == [0, 0, 0])
            let socket = try NamespaceSocket(.header, .ipv4, in: attacker.slot.name)
            func send(from source: PeerAddress, count: Int) {
                for _ in 0..<count {
                    socket.send(
                        Packets.udp(from: source, to: victim.ipv4, port: 9, payload: [1]), to: victim.ipv4)
                }
            }
            send(from: attacker.ipv4, count: 3)
            send(from: victim.ipv4, count: 2)
            let stranger = try NamespaceSocket(.datagram, .ipv4, in: bed.cluster.coordinatorNamespace)
            stranger.send([8, 0, 0, 0, 0, 0, 1, 0], to: host.vtep, port: 4789)
            try bed.cluster.waitUntil("all are counted", timeout: .seconds(5)) { () throws(KitError) in
                guard let now = try? drops(bed, host) else { return false }
                return now.counts(of: ["pair", "source", "underlay"]) == [3, 2, 1]
            }
            let table = try Command.run([bed.cluster.program("outriderctl"), "drops", "--agent-socket", host.socket])
            #expect(table.contains("REASON") && table.contains("between applications that may not talk"))
        }
    }

    private struct State: Decodable {
        struct Object: Decodable {
            var kind: String
            var prefix: String?
            var owner: String?
        }
        var reason: String?
        var desired: [Object]
        var actual: [Object]
        var plan: [String]
    }

    @Test func exportAndDryRunSayWhatIsWantedAndWhatIsThere() async throws {
        try await TestBed.run("export") { bed in
            let red = try bed.createApplication("red")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            #expect(near.reaches(far.ipv4, within: .seconds(5)))
            let host = bed.cluster.hosts[0]
            func agent(_ arguments: [String]) throws -> Command.Result {
                try Command.attempt(
                    [bed.cluster.program("outrider-agent")] + arguments + ["--config", host.configuration],
                    namespace: host.namespace)
            }
            func state() throws -> State {
                try JSONDecoder().decode(State.self, from: Data(try agent(["export"]).output.utf8))
            }
            // Beside the running agent.
            let running = try state()
            #expect(running.reason == nil && running.plan == [])
            let own = "\(near.attachment.addressing.ipv4)/32"
            #expect(running.desired.contains { $0.kind == "route" && $0.prefix == own })
            #expect(running.actual.contains { $0.kind == "route" && $0.prefix == own && $0.owner == "ours" })
            #expect(try agent(["--dry-run"]).output.contains("nothing to do"))
            let check = try agent(["--check"])
            #expect(check.status == 0, "\(check.output)")
            #expect(check.output.contains("another agent works"))

            bed.cluster.agent(host)?.kill()
            try Command.ipBatch(
                ["route del \(own)", "route add unreachable 10.201.0.0/16 proto 83 metric 50"],
                namespace: host.overlayNamespace)
            let stopped = try agent(["--dry-run"])
            #expect(
                Set(stopped.output.split(separator: "\n").map(String.init)) == [
                    "create route \(own) metric 0", "delete route 10.201.0.0/16 metric 50",
                ])
            #expect(try agent(["--dry-run"]).output == stopped.output, "nothing was written")
            #expect(try state().plan.count == 2)

            // A path that has become too narrow for the overlay is named.
            try Command.run(["ip", "-n", host.namespace, "link", "set", "u0", "mtu", "1400"])
            let narrow = try agent(["--check"])
            #expect(narrow.status == 1)
            #expect(narrow.output.contains("carries 1400 bytes, the overlay's MTU of 1450 needs 1500"))
            try Command.run(["ip", "-n", host.namespace, "link", "set", "u0", "mtu", "1500"])
            try bed.cluster.startAgent(host)
            try bed.waitUntilBinding(host)
            #expect(try agent(["--dry-run"]).output.contains("nothing to do"))
            #expect(near.reaches(far.ipv4, within: .seconds(5)))
        }
    }
}
