import Dataplane
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

/// What a guest says of others to the gateway and to its peers, and what a known endpoint sends that its own host should have
/// stopped.
@Suite(.serialized) struct ForgeryTests {
    /// The receiving host trusts no other one: each form, by a known endpoint, with the right tunnel id and with another's.
    @Test(arguments: IsolationTests.underlays)
    func noFormCrossesApplicationsThroughTheTunnel(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("tunnel", endpoints)
        let (red, blue, host) = (bed.reds[0], bed.blues[1], bed.hosts[1])
        func expectBothDropped(_ packet: [UInt8], _ what: String) throws {
            try host.expectDrop(.pair, what) { try bed.injectKnown(vni: IsolationBed.blueBlocks[1], packet) }
            try host.expectDrop(.ingress, what) { try bed.injectKnown(vni: IsolationBed.redBlocks[1], packet) }
            #expect(!blue.receives(packet: packet, within: 1), "\(what)")
        }
        for form in PacketForm.all { try expectBothDropped(form.packet(from: red, to: blue), "\(form)") }
        for options: [UInt8] in [[7, 7, 4, 0, 0, 0, 0, 0], [131, 7, 4] + blue.address4.bytes + [0], [148, 4, 0, 0]] {
            let packet = Frames.ip4(
                red.address4, blue.address4, transport: 17, options: options, [0, 1, 0, 2, 0, 8, 0, 0])
            try expectBothDropped(packet, "options \(options[0])")
        }
        // To a group nothing is bound, whatever the tunnel id.
        for group: UInt32 in [0xE000_0001, 0xEFFF_FFFA, 0xFFFF_FFFF] {
            let packet = Frames.udp4(red.address4, IPv4Address(group))
            try host.expectDrop(.ingress) { try bed.injectKnown(vni: IsolationBed.blueBlocks[1], packet) }
        }
        for high: UInt64 in [0xFF02_0000_0000_0000, 0xFF0E_0000_0000_0000] {
            let packet = Frames.udp6(red.address6, IPv6Address(high: high, low: 1))
            try host.expectDrop(.ingress) { try bed.injectKnown(vni: IsolationBed.blueBlocks[1], packet) }
        }
        // ARP has no business in the tunnel.
        let request = Frames.arpRequest(from: red.address4, mac: red.port.mac)
        try host.expectDrop(.ingress) {
            try bed.injectKnown(vni: IsolationBed.blueBlocks[1], request, type: 0x0806)
        }
    }

    /// Advertisements, redirects and ARP replies that claim the gateway or another guest (RFC 4861 sections 4.2, 4.4, 4.5).
    @Test(arguments: IsolationTests.underlays)
    func forgedDiscoveryIsDropped(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("claim", endpoints)
        let (red, host, neighbor) = (bed.reds[0], bed.hosts[0], bed.neighbor)
        let lladdr: [UInt8] = [2, 1] + red.port.mac.bytes
        for target in [DataplaneConfiguration.gateway6, neighbor.address6, red.address6] {
            let advertisement: [UInt8] = [0x60, 0, 0, 0] + target.bytes + lladdr
            for destination in [Frames.multicast6, DataplaneConfiguration.gateway6, neighbor.address6] {
                try host.expectDrop(.nd, "\(target) to \(destination)") {
                    red.send(Frames.icmp6(red.address6, destination, type: 136, body: advertisement))
                }
            }
        }
        let router: [UInt8] = [64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1] + red.port.mac.bytes
        try host.expectDrop(.nd, "router advertisement") {
            red.send(Frames.icmp6(red.address6, neighbor.address6, type: 134, body: router))
        }
        let redirect: [UInt8] = [0, 0, 0, 0] + red.address6.bytes + bed.reds[1].address6.bytes
        try host.expectDrop(.nd, "redirect") {
            red.send(Frames.icmp6(red.address6, neighbor.address6, type: 137, body: redirect))
        }
        for claimed in [DataplaneConfiguration.gateway4, neighbor.address4, bed.blues[0].address4] {
            // A reply nobody asked for, and the announcement of RFC 5227 section 3.
            for (operation, target) in [(UInt8(2), red.address4), (1, claimed)] {
                let claim =
                    [0, 1, 8, 0, 6, 4, 0, operation] + red.port.mac.bytes + claimed.bytes + [0, 0, 0, 0, 0, 0]
                    + target.bytes
                try host.expectDrop(.arp, "\(claimed)") { red.send(claim, type: 0x0806) }
            }
        }
        // Whom it claimed to be is who it was.
        neighbor.sendARP(from: neighbor.address4)
        #expect(neighbor.receives { $0.count >= 42 && $0[12..<14] == [8, 6] && $0[21] == 2 }, "the gateway answers")
        for packet in [
            Frames.udp4(bed.reds[1].address4, neighbor.address4), Frames.udp6(bed.reds[1].address6, neighbor.address6),
        ] {
            bed.reds[1].send(packet)
            #expect(neighbor.receives(packet: packet))
            #expect(!red.receives(packet: packet, within: 1))
        }
    }
}
