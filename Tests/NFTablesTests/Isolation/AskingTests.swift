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
            (.router, .v6(red.linkLocal), Self.solicitation(red.linkLocal)),
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
        let stranger = IPv6Address.linkLocal(0x77)
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
            (.multicast, Self.dhcp6(stranger, Self.allServers)),
            (.multicast, Self.dhcp6(red.linkLocal, Self.allServers, port: 546)),
            (.multicast, Self.dhcp6(red.linkLocal, Self.allRouters)),
            (.nd, Self.solicitation(stranger)), (.nd, Self.solicitation(red.linkLocal, hopLimit: 254)),
            (.nd, Frames.icmp6(red.linkLocal, Self.allRouters, type: 134, body: [UInt8](repeating: 0, count: 12))),
        ]
        for (reason, packet) in packets { try host.expectDrop(reason, "\(packet)") { red.send(packet) } }
        #expect(ear.all == [])
        // From another host: no VM has such a destination.
        try bed.hosts[1].expectDrop(.ingress) {
            try bed.injectKnown(vni: IsolationBed.redBlocks[1], Self.dhcp4(red.address4, Self.everybody))
        }
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
