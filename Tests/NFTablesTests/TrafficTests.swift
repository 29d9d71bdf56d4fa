import Dataplane
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

/// Guests of two applications on two hosts, every frame made by the test.
@Suite(.serialized) struct TrafficTests {
    @Test func ownPairsPassOnTheHostAndBetweenHosts() throws {
        let bed = try OverlayBed("t")
        for (sender, receiver) in [
            (bed.reds[0], bed.reds[1]), (bed.reds[1], bed.reds[0]), (bed.blues[0], bed.blues[1]),
        ] {
            let packet4 = Frames.udp4(sender.address4, receiver.address4, tag: 1)
            sender.send(packet4)
            #expect(receiver.receives(packet: packet4))
            let packet6 = Frames.udp6(sender.address6, receiver.address6, tag: 2)
            sender.send(packet6)
            #expect(receiver.receives(packet: packet6))
        }
        for host in bed.hosts {
            #expect(host.state.plan().isEmpty)
            #expect(
                try host.tables.dropCounters().filter { $0.key == "pair" || $0.key == "source" }.values.allSatisfy {
                    $0.packets == 0
                })
        }
    }

    /// ICMPv6 errors of a guest carry its own address and pass like anything else.
    @Test func errorsOfGuestsPass() throws {
        let bed = try OverlayBed("e")
        let quoted = Frames.udp6(bed.reds[1].address6, bed.reds[0].address6)
        let packet = Frames.icmp6(
            bed.reds[0].address6, bed.reds[1].address6, type: 2, hopLimit: 64, body: [0, 0, 5, 0] + quoted)
        bed.reds[0].send(packet)
        #expect(bed.reds[1].receives(packet: packet))
    }

    @Test func applicationsDoNotMeet() throws {
        let bed = try OverlayBed("a")
        let host = bed.hosts[0]
        let red = bed.reds[0]
        for target in [bed.blues[0], bed.blues[1]] {
            try host.expectDrop("pair") { red.send(Frames.udp4(red.address4, target.address4)) }
            try host.expectDrop("pair") { red.send(Frames.udp6(red.address6, target.address6)) }
        }
        // One side that allows the other opens nothing; both do.
        let redRange = SNIRange(unchecked: 4096, count: 512)
        let blueRange = SNIRange(unchecked: 8192, count: 512)
        try host.state.apply(.setScope(Scope(application: bed.red, ranges: [redRange], allowed: [bed.blue])))
        try host.apply()
        try host.expectDrop("pair") { red.send(Frames.udp4(red.address4, bed.blues[0].address4)) }
        try host.state.apply(.setScope(Scope(application: bed.blue, ranges: [blueRange], allowed: [bed.red])))
        try host.apply()
        let packet = Frames.udp4(red.address4, bed.blues[0].address4, tag: 7)
        red.send(packet)
        #expect(bed.blues[0].receives(packet: packet))
    }

    @Test func foreignSourcesAreDropped() throws {
        let bed = try OverlayBed("s")
        let host = bed.hosts[0]
        let red = bed.reds[0]
        let peer = bed.reds[1]
        let neighbor4 = IPv4Address(red.address4.rawValue + 1)
        try host.expectDrop("source") { red.send(Frames.udp4(neighbor4, peer.address4)) }
        try host.expectDrop("source") { red.send(Frames.udp4(bed.blues[0].address4, peer.address4)) }
        try host.expectDrop("source") { red.send(Frames.udp6(bed.blues[0].address6, peer.address6)) }
        try host.expectDrop("source") { red.send(Frames.udp6(red.linkLocal, peer.address6)) }
        // The neighbor identifier's /72 is one bit away.
        let beside = IPv6Address(high: red.address6.high, low: red.address6.low ^ 1 << 56)
        try host.expectDrop("source") { red.send(Frames.udp6(beside, peer.address6)) }
        // Any interface id of its own /72 is the guest's own.
        let own = IPv6Address(high: red.address6.high, low: red.address6.low | 0xABCD)
        let packet = Frames.udp6(own, peer.address6, tag: 3)
        red.send(packet)
        #expect(peer.receives(packet: packet))
        try host.expectDrop("unconfigured") { red.send(Frames.udp4(IPv4Address(0), IPv4Address(.max))) }
        try host.expectDrop("multicast") { red.send(Frames.udp6(red.address6, Frames.multicast6)) }
        try host.expectDrop("multicast") {
            red.send(Frames.icmp6(red.linkLocal, Frames.multicast6, type: 143, hopLimit: 1, body: [0, 0, 0, 0]))
        }
        // A port that nobody declared has no element, so it is closed.
        try host.state.apply(.removePort(red.port.sni))
        _ = try host.tables.apply(
            host.state.plan().operations.filter { $0.isDelete && $0.key.kind == .element(.source4) })
        try host.expectDrop("source") { red.send(Frames.udp4(red.address4, peer.address4)) }
    }

    @Test func theTunnelAdmitsOnlyBoundAddressesOnTheirBlock() throws {
        let bed = try OverlayBed("i")
        let host = bed.hosts[1]
        let red = bed.reds[1]
        let source4 = bed.reds[0].address4
        let source6 = bed.reds[0].address6
        let right = OverlayBed.redBlocks[1]
        let packet4 = Frames.udp4(source4, red.address4, tag: 4)
        try bed.inject(vni: right, type: 0x0800, packet4)
        #expect(red.receives(packet: packet4))
        let packet6 = Frames.udp6(source6, red.address6, tag: 5)
        try bed.inject(vni: right, type: 0x86DD, packet6)
        #expect(red.receives(packet: packet6))
        // The other application's local block passes the VNI filter, and nothing else stops it before this chain.
        try host.expectDrop("ingress") { try bed.inject(vni: OverlayBed.blueBlocks[1], type: 0x0800, packet4) }
        try host.expectDrop("ingress") { try bed.inject(vni: OverlayBed.blueBlocks[1], type: 0x86DD, packet6) }
        let unbound = SessionNetworkID(unchecked: right + 2)
        try host.expectDrop("ingress") {
            try bed.inject(vni: right, type: 0x0800, Frames.udp4(source4, host.configuration.plan.ipv4(of: unbound)))
        }
        try host.expectDrop("ingress") {
            try bed.inject(vni: right, type: 0x86DD, Frames.udp6(source6, host.configuration.plan.ipv6(of: unbound)))
        }
        try host.expectDrop("ingress") {
            try bed.inject(vni: right, type: 0x0800, Frames.udp4(source4, IPv4Address(0xC000_0202)))
        }
        try host.expectDrop("ingress") {
            try bed.inject(vni: right, type: 0x0806, Frames.arpRequest(from: source4, mac: red.port.mac))
        }
        // The right block, but a source of the other application: the receiver's own pair check.
        try host.expectDrop("pair") {
            try bed.inject(vni: right, type: 0x0800, Frames.udp4(bed.blues[0].address4, red.address4))
        }
        try host.expectDrop("pair") {
            try bed.inject(vni: right, type: 0x86DD, Frames.udp6(bed.blues[0].address6, red.address6))
        }
    }

    @Test func theChainComesBackWithTheDevice() throws {
        let bed = try OverlayBed("d")
        let host = bed.hosts[1]
        let bound = Set(try host.tables.dump(.ingress4))
        #expect(bound.count == 2)
        try Command.run(["ip", "-n", host.overlay, "link", "del", host.configuration.device])
        try host.createDevice()
        #expect(try host.tables.ensureStructure(rebuildingChain: true) { [] } == [])
        #expect(Set(try host.tables.dump(.ingress4)) == bound)
        let chains = try Command.run(["ip", "netns", "exec", host.overlay, "nft", "list", "chains"])
        #expect(chains.contains("device \"outrider\""))
        try host.setDeviceUp()
        for block in [OverlayBed.redBlocks[1], OverlayBed.blueBlocks[1]] {
            try Command.run(["bridge", "-n", host.overlay, "vni", "add", "vni", "\(block)", "dev", "outrider"])
        }
        let packet = Frames.udp4(bed.reds[0].address4, bed.reds[1].address4, tag: 6)
        try host.expectDrop("ingress") { try bed.inject(vni: OverlayBed.blueBlocks[1], type: 0x0800, packet) }
        try bed.inject(vni: OverlayBed.redBlocks[1], type: 0x0800, packet)
        #expect(bed.reds[1].receives(packet: packet))
        // With all in place a second run writes nothing.
        let writes = host.tables.writes
        #expect(try host.tables.ensureStructure { [] } == [])
        #expect(host.tables.writes == writes)
    }
}
