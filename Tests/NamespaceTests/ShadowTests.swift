import Foundation
import Glibc
import LocalAPI
import NamespaceKit
import NetworkTypes
import Testing

/// Shadow allocation, by what kernels say: a block stands at every peer before anything of it is bound, passes nothing
/// until then, and needs no further word when it is.
@Suite(.serialized)
struct ShadowTests {
    private struct Drops: Decodable {
        struct Drop: Decodable {
            var reason: String
            var packets: Int
        }
        var drops: [Drop]
    }

    private func refused(_ bed: TestBed, _ host: ClusterHost) throws -> Int {
        let result = try Command.run(
            [bed.cluster.program("outriderctl"), "drops", "--agent-socket", host.socket, "--output", "json"])
        let drops = try JSONDecoder().decode(Drops.self, from: Data(result.utf8)).drops
        return try #require(drops.first { $0.reason == "ingress" }?.packets)
    }

    /// A block on the host that nothing of was ever bound, with all peers' acknowledgements. VMs are launched until the
    /// policy, whatever it is, has one made.
    private func untouched(_ bed: TestBed, _ launcher: Launcher, _ red: FleetApplication) async throws -> SNIBlock {
        let socket = bed.socket(bed.cluster.hosts[0])
        for number in 0..<40 {
            let deadline = ContinuousClock.now + .milliseconds(600)
            repeat {
                let used = Set(await launcher.records.filter { $0.host == 0 }.map(\.sni))
                let found = try socket.status().leases.first { lease in
                    lease.staged && lease.available == lease.block.size && !used.contains(where: lease.block.contains)
                }
                if let found { return found.block }
                try await Task.sleep(for: .milliseconds(50))
            } while ContinuousClock.now < deadline && number > 0
            _ = try #require(await launcher.launch(red, name: "red-near-\(number)", on: 0))
        }
        throw KitError.unexpected("no block was staged ahead of its launches")
    }

    /// When the coordinator's log says that the block was staged.
    private func stagedAt(_ block: SNIBlock, _ bed: TestBed) throws -> Date {
        let line = try #require(
            bed.cluster.coordinator?.outputText.split(separator: "\n").last {
                $0.contains("\(block) of host h1 stands in the kernels")
            })
        return try Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(
            String(line.prefix { $0 != " " }))
    }

    @Test func aBlockStandsInEveryKernelBeforeItsLaunchAndPassesNothingUntilThen() async throws {
        try await TestBed.run("shadow", hosts: 3, slots: 1) { bed in
            let hosts = bed.cluster.hosts
            let prefix = bed.cluster.settings.prefix
            let slots = try VMSlot.make((1...46).map { "\(prefix)-s\($0)" })
            let watch = try KernelWatch(namespaces: hosts.map(\.overlayNamespace))
            defer { watch.close() }
            // Small blocks: the first untouched one comes sooner.
            let id = try await Daemons(cluster: bed.cluster).createApplication(
                "red", priority: "standard", options: ["--block-size", "4"])
            let red = FleetApplication(name: "red", id: id, weights: [1, 1, 1])
            let launcher = Launcher(bed.cluster, slots: slots, seed: 1)
            let far = try #require(await launcher.launch(red, name: "red-far", on: 1))
            _ = try #require(await launcher.launch(red, name: "red-other", on: 2))
            let block = try await untouched(bed, launcher, red)

            let own = try KernelView(block, on: hosts[0])
            #expect(own.hasVNI && own.ingress == 0 && own.routes == 0, "\(own)")
            for peer in hosts.dropFirst() {
                let view = try KernelView(block, on: peer)
                #expect(view.carries, "\(peer.name): \(view)")
            }
            // What is sent there arrives at the host, is dropped, and counted.
            let before = try refused(bed, hosts[0])
            let address = PeerAddress.v4(OverlayPlan.standard.ipv4(of: block.first))
            let socket = try NamespaceSocket(.header, .ipv4, in: far.slot.name)
            for _ in 0..<5 { socket.send(Packets.udp(from: far.ipv4, to: address, port: 9, payload: [1]), to: address) }
            try bed.cluster.waitUntil("all are counted", timeout: .seconds(5)) {
                (try? refused(bed, hosts[0])) == before + 5
            }

            // Launches until one is of the block: the host's other blocks may go first.
            var bound: LaunchRecord?
            for number in 0..<20 where bound == nil {
                _ = try #require(await launcher.launch(red, name: "red-next-\(number)", on: 0))
                bound = await launcher.records.last { block.contains($0.sni) }
            }
            let record = try #require(bound)
            let began = Date() - (ContinuousClock.now - record.started) / .seconds(1)
            #expect(record.servedFrom == "staged" && record.replied != nil)
            #expect(try stagedAt(block, bed) < began)
            let routed = watch.snapshot().filter { event in
                event.type == 24 && event.namespace != hosts[0].overlayNamespace
                    && event.mentions(OverlayPlan.standard.ipv4(of: block.first).bytes)
            }
            #expect(Set(routed.map(\.namespace)) == Set(hosts.dropFirst().map(\.overlayNamespace)))
            #expect(routed.allSatisfy { $0.at < record.started })
            let told = PeerMessages(launches: [record], events: watch.snapshot(), hosts: hosts)
            #expect(told.counted == 1 && told.perStagedLaunch == 0, "\(told.examples)")
            #expect(try KernelView(block, on: hosts[0]).ingress == 1)
            #expect(watch.overruns == 0)
        }
    }

    private func pause(_ host: ClusterHost, _ bed: TestBed, _ signal: Int32) throws {
        let agent = try #require(bed.cluster.agent(host))
        #expect(kill(agent.processID, signal) == 0)
    }

    /// Leased while a peer has not said that its kernel carries the block, staged when it has.
    @Test func aBlockIsLeasedUntilTheLastPeerHasIt() async throws {
        try await TestBed.run("leased", hosts: 3, coordinator: ["unreachable-after": "1m", "standard-lifetime": "1h"]) {
            bed in
            let hosts = bed.cluster.hosts
            let red = try bed.createApplication("red", mode: "observe")
            _ = try bed.launch("red-1", of: red, on: 1)
            let slow = try bed.launch("red-2", of: red, on: 2)
            try pause(hosts[2], bed, SIGSTOP)
            let near = try bed.launch("red-3", of: red, on: 0)
            let lease = try #require(
                try bed.socket(hosts[0]).status().leases.first { $0.block.contains(near.attachment.sni) })
            #expect(!lease.staged && lease.available > 0)
            #expect(try !KernelView(lease.block, on: hosts[2]).carries)
            let second = try bed.launch("red-4", of: red, on: 0)
            #expect(second.attachment.servedFrom == "leased")
            #expect(try Lease.list(bed).first { $0.first == lease.block.first.rawValue }?.state == "LEASE_STATE_LEASED")

            try pause(hosts[2], bed, SIGCONT)
            try bed.cluster.waitUntil("it is staged", timeout: .seconds(10)) { () throws(KitError) in
                try bed.socket(hosts[0]).status().leases.contains { $0.block == lease.block && $0.staged }
            }
            #expect(try KernelView(lease.block, on: hosts[2]).carries)
            #expect(second.reaches(slow.ipv4, within: .seconds(5)))
            #expect(try bed.launch("red-5", of: red, on: 0).attachment.servedFrom == "staged")
        }
    }

    @Test func aHostThatJoinsLaterCarriesWhatIsStaged() async throws {
        try await TestBed.run("joins", hosts: 3, late: 1, coordinator: ["standard-lifetime": "1h"]) { bed in
            let hosts = bed.cluster.hosts
            let red = try bed.createApplication("red", mode: "observe")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            #expect(near.reaches(far.ipv4, within: .seconds(5)))
            let blocks = try hosts.prefix(2).map { host in
                try #require(try bed.socket(host).status().leases.first).block
            }
            try bed.cluster.startAgent(hosts[2])
            try bed.waitUntilBinding(hosts[2])
            for block in blocks {
                #expect(try KernelView(block, on: hosts[2]).isEmpty, "it has nothing of the application yet")
            }
            let late = try bed.launch("red-3", of: red, on: 2)
            for guest in [near, far] {
                #expect(late.reaches(guest.ipv4, within: .seconds(5)) && late.reaches(guest.ipv6, within: .seconds(5)))
            }
            for block in blocks { #expect(try KernelView(block, on: hosts[2]).carries) }
        }
    }
}

/// A row of `lease list`.
struct Lease: Decodable {
    private struct Answer: Decodable { var leases: [Lease]? }
    private struct Block: Decodable {
        var first: UInt32
        var size: Int
    }
    private var block: Block
    var host: String?
    var state: String?
    var bound: Int?
    var first: UInt32 { block.first }

    static func list(_ bed: TestBed) throws(KitError) -> [Lease] {
        try bed.cluster.control(Answer.self, ["lease", "list"]).leases ?? []
    }
}
