import Dataplane
import Glibc
import NamespaceKit
import NetworkTypes
import Synchronization
import Testing

@testable import Netlink

/// What a VM may ask its host, packet by packet: the questions of the protocols reach the host's sockets, and nothing that
/// only looks like them.
@Suite(.serialized) struct AskingTests {
    private static let allRouters = IPv6Address(high: 0xFF02 << 48, low: 2)
    private static let allServers = IPv6Address(high: 0xFF02 << 48, low: 0x0001_0002)
    private static let everybody = IPv4Address(.max)
    private static let nobody4 = IPv4Address(0)
    private static let nobody6 = IPv6Address(high: 0, low: 0)
    /// Not of any MAC (RFC 7217).
    private static let private6 = IPv6Address.linkLocal(0x1CE5_D0C1_77AA_93F2)

    /// Keeps what it hears.
    private final class Ear: Sendable {
        private let heard = Mutex<[GuestDatagram]>([])
        func put(_ datagram: GuestDatagram) { heard.withLock { $0.append(datagram) } }
        var all: [GuestDatagram] { heard.withLock { $0 } }
        func take() -> [GuestDatagram] {
            heard.withLock { heard in
                defer { heard = [] }; return heard
            }
        }

        func next(within timeout: Duration = .seconds(2)) -> GuestDatagram? {
            let deadline = ContinuousClock.now + timeout
            while ContinuousClock.now < deadline {
                if let first = take().first { return first }
                usleep(1000)
            }
            return nil
        }
    }

    private static func word(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }

    private static func dhcp4(
        _ source: IPv4Address, _ destination: IPv4Address, port: Int = 67, options: [UInt8] = []
    ) -> [UInt8] {
        Frames.ip4(
            source, destination, transport: 17, options: options, word(68) + word(port) + word(12) + [0, 0, 1, 2, 3, 4])
    }

    private static func dhcp6(_ source: IPv6Address, _ destination: IPv6Address, port: Int = 547) -> [UInt8] {
        let datagram = word(546) + word(port) + word(12) + [0, 0, 1, 2, 3, 4]
        let sum = Frames.checksum(source.bytes + destination.bytes + [0, 0] + word(12) + [0, 0, 0, 17] + datagram)
        return Frames.ip6(source, destination, next: 17, Array(datagram[..<6]) + sum + Array(datagram[8...]))
    }

    private static func solicitation(_ source: IPv6Address, hopLimit: UInt8 = 255) -> [UInt8] {
        Frames.icmp6(source, allRouters, type: 133, hopLimit: hopLimit, body: [0, 0, 0, 0])
    }

    /// Whether a UDP datagram over IPv6 carries the checksum of its bytes.
    private static func isSummed(_ packet: [UInt8]) -> Bool {
        let pseudo = Array(packet[8..<40]) + [0, 0] + packet[4..<6] + [0, 0, 0, 17]
        return Frames.checksum(pseudo + packet[40...]) == [0, 0]
    }

    private func listen(on host: KernelHost) throws -> (GuestServer, Ear) {
        let ear = Ear()
        let server = try GuestServer(
            in: host.kernel.namespace.overlay, every: .seconds(3600), announce: { [] },
            answer: { question in
                ear.put(question)
                return []
            })
        return (server, ear)
    }

    @Test func questionsReachTheHost() throws {
        let bed = try IsolationBed("ask", .ipv4)
        let (host, red) = (bed.hosts[0], bed.reds[0])
        let (server, ear) = try listen(on: host)
        defer { server.stop() }
        let index = try #require(try host.kernel.route.link(named: red.port.name)?.index)
        let questions: [(GuestDatagram.Channel, IPAddress, [UInt8])] = [
            (.dhcp4, .v4(Self.nobody4), Self.dhcp4(Self.nobody4, Self.everybody)),
            (.dhcp4, .v4(red.address4), Self.dhcp4(red.address4, Self.everybody)),
            (.dhcp4, .v4(red.address4), Self.dhcp4(red.address4, DataplaneConfiguration.gateway4)),
            (.dhcp6, .v6(red.linkLocal), Self.dhcp6(red.linkLocal, Self.allServers)),
            // Whatever its own choice is; a solicitation is nobody's when it is heard.
            (.dhcp6, .v6(Self.private6), Self.dhcp6(Self.private6, Self.allServers)),
            (.router, .v6(Self.nobody6), Self.solicitation(red.linkLocal)),
            (.router, .v6(Self.nobody6), Self.solicitation(Self.private6)),
            (.router, .v6(Self.nobody6), Self.solicitation(Self.nobody6)),
        ]
        for (channel, peer, packet) in questions {
            red.send(packet)
            let heard = ear.next()
            #expect(heard?.channel == channel && heard?.peer == peer && heard?.port == index, "\(channel) from \(peer)")
            if channel != .router { #expect(heard?.bytes == [1, 2, 3, 4]) }
            if channel == .router { #expect(heard?.hopLimit == 255 && heard?.bytes.first == 133) }
        }
        #expect(try host.drops() == [:])
    }

    @Test func whatOnlyLooksLikeAQuestionIsDropped() throws {
        let bed = try IsolationBed("noask", .ipv4)
        let (host, red, peer) = (bed.hosts[0], bed.reds[0], bed.reds[1])
        let (server, ear) = try listen(on: host)
        defer { server.stop() }
        // Beyond the zeros of the prefix, and the VM's own address.
        let strangers = [IPv6Address(high: 0xFE80_0000_0000_0001, low: 0x77), red.address6]
        let gateway = DataplaneConfiguration.gateway4
        let packets: [(DropReason, [UInt8])] = [
            (.unconfigured, Self.dhcp4(Self.nobody4, peer.address4)),
            (.unconfigured, Self.dhcp4(Self.nobody4, gateway)),
            (.unconfigured, Self.dhcp4(Self.nobody4, Self.everybody, port: 68)),
            (.unconfigured, Self.dhcp4(Self.nobody4, Self.everybody, options: [7, 3, 4, 0])),
            (.multicast, Self.dhcp4(peer.address4, Self.everybody)),
            (.multicast, Self.dhcp4(red.address4, Self.everybody, options: [7, 3, 4, 0])),
            (.multicast, Self.dhcp4(red.address4, IPv4Address(0xE000_0001))),
            (.input, Self.dhcp4(red.address4, gateway, port: 68)), (.source, Self.dhcp4(peer.address4, gateway)),
            (.multicast, Self.dhcp6(red.linkLocal, Self.allServers, port: 546)),
            (.multicast, Self.dhcp6(red.linkLocal, Self.allRouters)),
            (.nd, Self.solicitation(red.linkLocal, hopLimit: 254)),
            (.nd, Frames.icmp6(red.linkLocal, Self.allRouters, type: 134, body: [UInt8](repeating: 0, count: 12))),
        ]
        let unasked = strangers.flatMap { stranger in
            [(DropReason.multicast, Self.dhcp6(stranger, Self.allServers)), (.nd, Self.solicitation(stranger))]
        }
        for (reason, packet) in packets + unasked { try host.expectDrop(reason, "\(packet)") { red.send(packet) } }
        #expect(ear.all == [])
        // From another host: no VM has such a destination.
        try bed.hosts[1].expectDrop(.ingress) {
            try bed.injectKnown(vni: IsolationBed.redBlocks[1], Self.dhcp4(red.address4, Self.everybody))
        }
    }

    /// Neighbor entries are shared by all namespaces. Neither a question nor its answer makes one, nor the error that says
    /// that nobody listens, whatever link-local addresses a VM makes up.
    @Test(arguments: [true, false]) func noLinkLocalAddressBecomesANeighbor(isHeard: Bool) throws {
        let bed = try IsolationBed("ll", .ipv4)
        let (host, red) = (bed.hosts[0], bed.reds[0])
        let answered = [UInt8](repeating: 9, count: 61)
        let server = try GuestServer(
            in: host.kernel.namespace.overlay, every: .seconds(3600), announce: { [] },
            answer: { question in
                guard question.channel == .dhcp6 else { return [] }
                var answer = question
                answer.local = .v6(DataplaneConfiguration.gateway6)
                answer.link = red.port.mac
                answer.bytes = answered
                return [answer]
            })
        defer { server.stop() }
        if !isHeard {
            server.stop()
            // Its queue closes the sockets.
            while (try Command.run(["ss", "-N", host.overlay, "-u", "-l", "-n"])).contains(":547") { usleep(1000) }
        }
        for number in 0..<UInt64(NFTStructure.askingBurst) {
            let asker = IPv6Address.linkLocal(0xBAD_0000_0000 + number)
            red.send(Self.dhcp6(asker, Self.allServers))
            // Where nobody listens, the error alone is looked for.
            guard isHeard else { continue }
            red.send(
                Frames.icmp6(
                    asker, Self.allRouters, type: 133, body: [0, 0, 0, 0, 1, 1] + red.port.mac.bytes))
            guard number < 10 else { continue }
            // To whom it was, by the link-layer address that the port's VM has, with a checksum that is right.
            let heard = red.receives { frame in
                frame.count == 14 + 48 + answered.count && frame[0..<6].elementsEqual(red.port.mac.bytes)
                    && frame[38..<54].elementsEqual(asker.bytes) && Self.isSummed(Array(frame[14...]))
            }
            #expect(heard, "\(asker)")
        }
        let neighbors = try Command.run(["ip", "-n", host.overlay, "-6", "neigh", "show", "dev", red.port.name])
        #expect(neighbors.split(separator: "\n").allSatisfy { $0.contains("PERMANENT") || $0.hasPrefix("ff02") })
        let failed = try Command.run([
            "ip", "-n", host.overlay, "-6", "neigh", "show", "nud", "all", "dev", red.port.name,
        ])
        #expect(!failed.contains("fe80::bad:") && !failed.contains("fe80::0bad:"), "\(failed)")
    }

    /// A VM that asks without end takes nothing from the others.
    @Test func floodsAreBoundedPerPort() throws {
        let bed = try IsolationBed("flood", .ipv4)
        let (host, red) = (bed.hosts[0], bed.reds[0])
        let (server, ear) = try listen(on: host)
        defer { server.stop() }
        let count = 2000
        for _ in 0..<count { red.send(Self.dhcp4(Self.nobody4, Self.everybody)) }
        bed.neighbor.send(Self.dhcp4(Self.nobody4, Self.everybody))
        let neighbor = try #require(try host.kernel.route.link(named: bed.neighbor.port.name)?.index)
        let deadline = ContinuousClock.now + .seconds(3)
        while !ear.all.contains(where: { $0.port == neighbor }), ContinuousClock.now < deadline { usleep(1000) }
        let heard = ear.all
        #expect(heard.contains { $0.port == neighbor })
        let answered = heard.count { $0.port != neighbor }
        let dropped = try host.drops()[.flood] ?? 0
        #expect(answered + Int(dropped) == count && answered >= Int(NFTStructure.askingBurst))
        // However long the loop took: the burst, and what the rate gives in a minute.
        #expect(answered <= Int(NFTStructure.askingBurst + 60 * NFTStructure.askingRate))
    }
}
