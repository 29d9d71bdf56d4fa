import Foundation
import NamespaceKit
import NetworkTypes
import Testing

/// The instruments themselves: a test bed that can't see loss or a forbidden packet would make every other test green.
@Suite(.serialized)
struct KitTests {
    /// Two machines on a switch, removed at the end.
    private func withUnderlay(
        _ name: String, _ body: (Underlay) async throws -> Void
    ) async throws {
        let prefix = "otr-\(getpid())-k\(name)"
        let underlay = try Underlay(prefix: prefix, machines: ["a", "b"])
        do {
            try await body(underlay)
        } catch {
            try underlay.remove()
            throw error
        }
        try underlay.remove()
        #expect(!NetworkNamespace.list().contains { $0.hasPrefix(prefix) })
    }

    @Test func pingsCountLossOnlyWhenThereIsLoss() async throws {
        try await withUnderlay("p") { underlay in
            let echo = try EchoSocket(.ipv4, in: underlay.machines[0].namespace)
            let peer = PeerAddress.v4(underlay.machines[1].address)
            #expect(echo.firstReply(from: peer, timeout: .seconds(5)) != nil)

            let stop = StopFlag()
            async let clean = offload { echo.stream(to: peer, every: .milliseconds(5), until: stop) }
            try await Task.sleep(for: .milliseconds(500))
            stop.raise()
            let statistics = try await clean
            #expect(statistics.sent > 0)
            #expect(statistics.lost == 0)

            let second = StopFlag()
            async let broken = offload { echo.stream(to: peer, every: .milliseconds(5), until: second) }
            try await Task.sleep(for: .milliseconds(200))
            try Command.run(["ip", "-n", underlay.machines[1].namespace, "link", "set", "u0", "down"])
            try await Task.sleep(for: .milliseconds(200))
            second.raise()
            let lossy = try await broken
            #expect(lossy.lost > 0)
            #expect(lossy.longestGap > 0)
            #expect(echo.firstReply(from: peer, timeout: .milliseconds(100)) == nil)
        }
    }

    @Test func handMadePacketsArriveAndAreRecognised() async throws {
        try await withUnderlay("h") { underlay in
            let (a, b) = (underlay.machines[0], underlay.machines[1])
            let trap = try DatagramTrap(.ipv4, in: b.namespace, port: 2222)
            let sender = try NamespaceSocket(.header, .ipv4, in: a.namespace)
            let forged = PeerAddress.v4(IPv4Address(a.address.rawValue + 100))
            let payload = Array("forged".utf8)
            // The raw sender writes whatever source it likes; nothing on a plain wire stops it.
            #expect(
                sender.send(
                    Packets.udp(from: forged, to: .v4(b.address), port: 2222, payload: payload), to: .v4(b.address))
                    == 0)
            #expect(trap.receives(payload, within: .seconds(2)))
            #expect(!trap.receives(Array("never sent".utf8), within: .milliseconds(50)))
        }
    }

    @Test func connectionsAreSeenOnlyWhereSomebodyListens() async throws {
        try await withUnderlay("c") { underlay in
            let (a, b) = (underlay.machines[0], underlay.machines[1])
            let listener = try StreamListener(.ipv4, in: b.namespace, port: 4000)
            #expect(try connects(from: a.namespace, to: .v4(b.address), port: 4000, within: .seconds(2)))
            #expect(try !connects(from: a.namespace, to: .v4(b.address), port: 4001, within: .seconds(2)))
            withExtendedLifetime(listener) {}
        }
    }

    @Test func kernelAnnouncementsNameWhatChanged() async throws {
        try await withUnderlay("w") { underlay in
            let name = underlay.machines[0].namespace
            let watch = try KernelWatch(namespaces: [name])
            defer { watch.close() }
            try Command.ipBatch(["route add 10.77.1.0/24 dev u0"], namespace: name)
            try Command.run(
                ["nft", "add table inet t; add set inet t s { type ipv4_addr; }; add element inet t s { 10.77.2.1 }"],
                namespace: name)
            try await Task.sleep(for: .milliseconds(100))
            let changes = watch.snapshot().filter(\.isTableChange)
            #expect(changes.contains { $0.mentions([10, 77, 1, 0]) })
            #expect(changes.contains { $0.mentions([10, 77, 2, 1]) })
            #expect(!changes.contains { $0.mentions([10, 77, 3, 1]) })
            #expect(watch.overruns == 0)
        }
    }

    @Test func aSlotAddressesItselfAndAnswers() async throws {
        try await withUnderlay("s") { underlay in
            let machine = underlay.machines[0].namespace
            let slot = try VMSlot.make(["\(underlay.switchNamespace)-vm"])[0]
            defer { try? NetworkNamespace.remove([slot.name]) }
            // The host side of a port, as an agent makes it.
            try Command.ipBatch(
                [
                    "addr add 169.254.1.1/32 dev lo", "link add port type veth peer name eth0 netns \(slot.name)",
                    "link set port up", "addr add fe80::1/64 dev port nodad",
                    "route add 10.9.0.7/32 dev port src 169.254.1.1", "route add fd53::7/128 dev port",
                ], namespace: machine)
            let ipv6 = try #require(IPv6Address("fd53::7"))
            let addressing = VMAddressing(
                ipv4: IPv4Address(10 << 24 | 9 << 16 | 7), ipv6: ipv6, gatewayIPv4: IPv4Address(0xA9FE_0101),
                gatewayIPv6: .linkLocal(1), mtu: 1450)
            try slot.configure(addressing)
            #expect(slot.echoIPv4.firstReply(from: .v4(IPv4Address(0xA9FE_0101)), timeout: .seconds(2)) != nil)
            let host = try EchoSocket(.ipv6, in: machine)
            #expect(host.firstReply(from: .v6(ipv6), timeout: .seconds(2)) != nil)
            let before = try PortCounters(link: "port", in: machine)
            #expect(before.receivedBytes > 0)

            // The port goes and another tenant comes: the same sockets serve it.
            try Command.ipBatch(["link del port"], namespace: machine)
            #expect(slot.echoIPv4.firstReply(from: .v4(IPv4Address(0xA9FE_0101)), timeout: .milliseconds(50)) == nil)
            try Command.ipBatch(
                [
                    "link add port type veth peer name eth0 netns \(slot.name)", "link set port up",
                    "addr add fe80::1/64 dev port nodad", "route add 10.9.0.7/32 dev port src 169.254.1.1",
                ], namespace: machine)
            try slot.configure(addressing)
            #expect(slot.echoIPv4.firstReply(from: .v4(IPv4Address(0xA9FE_0101)), timeout: .seconds(2)) != nil)
        }
    }

    @Test func aFailingProgramSaysWhatItSaid() throws {
        let result = try Command.attempt(["sh", "-c", "echo no; exit 7"])
        #expect(result.status == 7)
        #expect(result.output == "no\n")
        #expect(throws: KitError.self) { try Command.run(["false"]) }
        let child = try ChildProcess(["sleep", "60"], output: "/dev/null")
        #expect(child.isRunning)
        #expect(child.kill() == 128 + 9)
        #expect(!child.isRunning)
    }
}
