import Dataplane
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

/// What must not pass, packet by packet, over underlays of both families: each is dropped, and counted under its reason.
@Suite(.serialized) struct IsolationTests {
    static let underlays = Underlay.Endpoints.allCases

    @Test(arguments: underlays)
    func everyFormPassesWithinAnApplication(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("own", endpoints)
        for form in PacketForm.all {
            for target in [bed.neighbor, bed.reds[1]] {
                let packet = form.packet(from: bed.reds[0], to: target)
                bed.reds[0].send(packet)
                #expect(target.receives(packet: packet), "\(form) to \(target.port.name)")
            }
        }
        for host in bed.hosts { #expect(try host.drops() == [:]) }
    }

    @Test(arguments: underlays)
    func noFormCrossesApplicationsOnOneHost(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("same", endpoints)
        try expectNothingCrosses(bed, to: bed.blues[0])
    }

    @Test(arguments: underlays)
    func noFormCrossesApplicationsBetweenHosts(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("far", endpoints)
        try expectNothingCrosses(bed, to: bed.blues[1])
        #expect(try bed.hosts[1].drops() == [:], "nothing of it reached the other host")
    }

    private func expectNothingCrosses(_ bed: IsolationBed, to target: Guest) throws {
        for form in PacketForm.all {
            let packet = form.packet(from: bed.reds[0], to: target)
            try bed.hosts[0].expectDrop(.pair, "\(form)") { bed.reds[0].send(packet) }
            #expect(!target.receives(packet: packet, within: 1), "\(form)")
        }
        // Options, also those of a source route through an allowed peer (RFC 791 section 3.1).
        for options: [UInt8] in [
            [7, 7, 4, 0, 0, 0, 0, 0], [131, 7, 4] + target.address4.bytes + [0], [148, 4, 0, 0],
        ] {
            let packet = Frames.ip4(
                bed.reds[0].address4, bed.reds[1].address4, transport: 17, options: options, [0, 1, 0, 2, 0, 8, 0, 0])
            try bed.hosts[0].expectDrop(.options) { bed.reds[0].send(packet) }
        }
        let groups4: [UInt32] = [0xE000_0001, 0xE000_00FB, 0xEFFF_FFFA, 0xF000_0001, 0xFFFF_FFFF]
        for group in groups4 {
            let packet = Frames.udp4(bed.reds[0].address4, IPv4Address(group))
            try bed.hosts[0].expectDrop(.multicast, "\(IPv4Address(group))") { bed.reds[0].send(packet) }
        }
        for high: UInt64 in [0xFF02_0000_0000_0000, 0xFF05_0000_0000_0000, 0xFF0E_0000_0000_0000] {
            let packet = Frames.udp6(bed.reds[0].address6, IPv6Address(high: high, low: 0xFB))
            try bed.hosts[0].expectDrop(.multicast) { bed.reds[0].send(packet) }
        }
    }

    @Test(arguments: underlays)
    func spoofedSourcesAreDropped(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("spoof", endpoints)
        let (host, red, peer) = (bed.hosts[0], bed.reds[0], bed.reds[1])
        for forged in [bed.neighbor.address4, peer.address4, bed.blues[0].address4, IPv4Address(0x0808_0808)] {
            try host.expectDrop(.source, "\(forged)") { red.send(Frames.udp4(forged, peer.address4)) }
            try host.expectDrop(.arp, "\(forged)") { red.sendARP(from: forged) }
        }
        let routers = [
            host.kernel.configuration.plan.router6(of: bed.hosts[1].endpoint), DataplaneConfiguration.gateway6,
        ]
        for forged in [bed.neighbor.address6, peer.address6, bed.blues[0].address6] + routers {
            try host.expectDrop(.source, "\(forged)") { red.send(Frames.udp6(forged, peer.address6)) }
            try host.expectDrop(.nd, "\(forged)") { red.send(Frames.solicitation(from: forged, mac: red.port.mac)) }
        }
        // A solicitation to a guest instead of the gateway's group, by the port's own address and with a good hop limit.
        let toGuest = Frames.icmp6(
            red.address6, bed.blues[0].address6, type: 135, body: [0, 0, 0, 0] + bed.blues[0].address6.bytes)
        try host.expectDrop(.nd) { red.send(toGuest) }
        // An ICMP error in another host's name.
        let quote = Frames.udp4(peer.address4, red.address4)
        let error = Frames.ip4(
            bed.hosts[1].endpoint.overlayRouter4, peer.address4, transport: 1, [11, 0, 0, 0, 0, 0, 0, 0] + quote)
        try host.expectDrop(.source) { red.send(error) }
        #expect(try bed.hosts[1].drops() == [:])
        #expect(try learnedNeighbors(host) == [])
    }

    private func learnedNeighbors(_ host: KernelHost) throws -> [String] {
        try Command.run(["ip", "-n", host.overlay, "neigh"]).split(separator: "\n").map(String.init).filter {
            !$0.contains("PERMANENT") && !$0.hasPrefix("ff02") && !$0.contains("NOARP")
        }
    }

    @Test(arguments: underlays)
    func framesThatAreNotIPAreDropped(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("eth", endpoints)
        let packet = Frames.udp4(bed.reds[0].address4, bed.reds[1].address4)
        // LLDP, MPLS, IPX, FCoE, PPPoE, and IPv4 behind VLAN tags (802.1Q, 802.1ad).
        let types = [0x88CC, 0x8847, 0x8137, 0x8906, 0x8863]
        for type in types {
            try bed.hosts[0].expectDrop(.unknownProtocol, "\(type)") { bed.reds[0].send(packet, type: type) }
            try bed.hosts[1].expectDrop(.ingress, "\(type)") {
                try bed.injectKnown(vni: IsolationBed.redBlocks[1], packet, type: type)
            }
        }
        for tag in [0x8100, 0x88A8] {
            let tagged: [UInt8] = [0, 5, 8, 0] + packet
            try bed.hosts[0].expectDrop(.unknownProtocol, "\(tag)") { bed.reds[0].send(tagged, type: tag) }
            try bed.hosts[1].expectDrop(.unknownProtocol, "\(tag)") {
                try bed.injectKnown(vni: IsolationBed.redBlocks[1], tagged, type: tag)
            }
        }
        // 802.2 frames: spanning tree, SNAP, NetBIOS. The kernel's LLC module takes them where it is loaded.
        for head: [UInt8] in [[0x42, 0x42, 3], [0xAA, 0xAA, 3, 0, 0, 0, 8, 0], [0xF0, 0xF0, 3]] {
            let frame = head + packet
            try bed.hosts[0].expectDrop(.unknownProtocol, "\(head)") { bed.reds[0].send(frame, type: frame.count) }
            try bed.hosts[1].expectDrop(.ingress, "\(head)") {
                try bed.injectKnown(vni: IsolationBed.redBlocks[1], frame, type: frame.count)
            }
        }
    }

    @Test(arguments: underlays)
    func guestsReachNoHost(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("host", endpoints)
        let red = bed.reds[0]
        // Hand-made tunnel packets to either host's UDP port, in whichever family its endpoint has.
        for host in bed.hosts {
            let inner = Frames.udp4(bed.blues[0].address4, bed.blues[1].address4)
            let payload = Frames.vxlan(IsolationBed.blueBlocks[1], to: host.endpoint, type: 0x0800, inner)
            let source: PeerAddress = host.endpoint.isIPv6 ? .v6(red.address6) : .v4(red.address4)
            let forged = Packets.udp(from: source, to: host.endpoint, port: 4789, payload: payload)
            try bed.hosts[0].expectDrop(.pair) { red.send(forged) }
        }
        for address in bed.underlay.machines.map(\.address) {
            try bed.hosts[0].expectDrop(.pair) { red.send(Frames.udp4(red.address4, address)) }
        }
        try bed.hosts[0].expectDrop(.input) { red.send(Frames.udp4(red.address4, DataplaneConfiguration.gateway4)) }
        try bed.hosts[0].expectDrop(.input) { red.send(Frames.udp6(red.address6, DataplaneConfiguration.gateway6)) }
        try bed.hosts[0].expectDrop(.unconfigured) { red.send(Frames.udp4(IPv4Address(0), bed.reds[1].address4)) }
        #expect(try bed.hosts[1].drops() == [:])
    }
}
