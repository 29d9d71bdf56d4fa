import Dataplane
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

/// What comes through, or pretends to come through, the tunnel.
@Suite(.serialized) struct TunnelIsolationTests {
    @Test(arguments: IsolationTests.underlays)
    func unknownMachinesReachNobody(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("x", endpoints)
        let packet = Frames.udp4(bed.reds[0].address4, bed.reds[1].address4)
        try bed.injectKnown(vni: IsolationBed.redBlocks[1], packet)
        #expect(bed.reds[1].receives(packet: packet), "the same packet from a known endpoint")
        try bed.hosts[1].expectDrop(.underlay) {
            try bed.inject(vni: IsolationBed.redBlocks[1], packet, from: bed.stranger)
        }
        // By the other family: the tunnel's socket listens on it too.
        let machine = bed.underlay.machines[1].address
        let other: PeerAddress =
            bed.hosts[1].endpoint.isIPv6
            ? .v4(machine) : try #require(PeerAddress("2001:db8:1::\(machine.rawValue & 0xFF)"))
        let socket = try NamespaceSocket(.datagram, other.family, in: bed.hosts[0].machine)
        try bed.hosts[1].expectDrop(.underlay) {
            let payload = Frames.vxlan(IsolationBed.redBlocks[1], to: bed.hosts[1].endpoint, type: 0x0800, packet)
            #expect(socket.send(payload, to: other, port: 4789) == 0)
        }
        #expect(!bed.reds[1].receives(packet: packet, within: 50))
        // In fragments: the first is dropped, and without it the others are nothing.
        let big = Frames.ip4(
            bed.reds[0].address4, bed.reds[1].address4, transport: 17, [UInt8](repeating: 7, count: 1400))
        try Command.run(["ip", "-n", bed.stranger, "link", "set", "u0", "mtu", "1300"])
        try bed.hosts[1].expectDrop(.underlay) {
            try bed.inject(vni: IsolationBed.redBlocks[1], big, from: bed.stranger)
        }
        #expect(!bed.reds[1].receives(packet: big, within: 50))
        try Command.run(["ip", "-n", bed.hosts[0].machine, "link", "set", "u0", "mtu", "1300"])
        try bed.injectKnown(vni: IsolationBed.redBlocks[1], big)
        #expect(bed.reds[1].receives(packet: big), "fragments of a known endpoint are put together")
    }

    @Test(arguments: IsolationTests.underlays)
    func wrongTunnelIDsAreDropped(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("id", endpoints)
        let (source, target, host) = (bed.reds[0], bed.reds[1], bed.hosts[1])
        let packets = [Frames.udp4(source.address4, target.address4), Frames.udp6(source.address6, target.address6)]
        for packet in packets {
            // Of the other application's block on this host, and of a block that this host does not have.
            try host.expectDrop(.ingress) { try bed.injectKnown(vni: IsolationBed.blueBlocks[1], packet) }
            for vni: UInt32 in [IsolationBed.redBlocks[0], IsolationBed.redBlocks[1] + 1, 0, 2, 0xFF_FFFF] {
                try host.expectDrop(.vni, "\(vni)") { try bed.injectKnown(vni: vni, packet) }
            }
            #expect(!target.receives(packet: packet, within: 20))
        }
        // The right id, and a destination that nothing is bound to.
        let unbound = IPv4Address(target.address4.rawValue + 1)
        try host.expectDrop(.ingress) {
            try bed.injectKnown(vni: IsolationBed.redBlocks[1], Frames.udp4(source.address4, unbound))
        }
        // The right id and destination, by an address that the sender's host should have stopped.
        for forged in [bed.blues[0].address4, IPv4Address(0x0808_0808), DataplaneConfiguration.gateway4] {
            try host.expectDrop(.pair, "\(forged)") {
                try bed.injectKnown(vni: IsolationBed.redBlocks[1], Frames.udp4(forged, target.address4))
            }
        }
        // Another host's own address is good for ICMP errors only.
        let router = bed.hosts[0].endpoint.overlayRouter4
        try host.expectDrop(.pair) {
            try bed.injectKnown(vni: IsolationBed.redBlocks[1], Frames.udp4(router, target.address4))
        }
        let redirect = Frames.ip4(router, target.address4, transport: 1, [5, 1, 0, 0, 10, 0, 0, 1] + packets[0])
        try host.expectDrop(.pair) { try bed.injectKnown(vni: IsolationBed.redBlocks[1], redirect) }
    }

    /// Tunnel id 1 is everybody's, and good for echoes between hosts only.
    @Test(arguments: IsolationTests.underlays)
    func theIDOfTheEchoLetsNothingElseIn(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("echo", endpoints)
        let (source, target, host) = (bed.reds[0], bed.reds[1], bed.hosts[1])
        let plan = host.kernel.configuration.plan
        let routers = bed.hosts.map { plan.router6(of: $0.endpoint) }
        let vni = DataplaneConfiguration.echoVNI.rawValue
        func echo(_ from: IPv6Address, _ to: IPv6Address) -> [UInt8] {
            Frames.icmp6(from, to, type: 128, body: [0, 7, 0, 1])
        }
        let before = try host.drops()
        try bed.injectKnown(vni: vni, echo(routers[0], routers[1]))
        // The answer has come back, or been dropped, before the next packet is looked at: both hosts are this machine.
        try bed.hosts[1].expectDrop(.vni) { try bed.injectKnown(vni: 2, echo(routers[0], routers[1])) }
        #expect(try host.drops() == before.merging([.vni: 1]) { $0 + $1 }, "the echo itself passes")
        // To a VM, whatever it is.
        for packet in [
            Frames.udp4(source.address4, target.address4), Frames.udp6(source.address6, target.address6),
            echo(routers[0], target.address6),
        ] {
            try host.expectDrop(.ingress) { try bed.injectKnown(vni: vni, packet) }
        }
        // To the host: another protocol, another kind of ICMP, a VM's address; and the echo by a block's id.
        for packet in [
            Frames.udp6(routers[0], routers[1]), echo(source.address6, routers[1]),
            Frames.icmp6(routers[0], routers[1], type: 135, body: [0, 0, 0, 0] + routers[1].bytes),
        ] {
            try host.expectDrop(.pair) { try bed.injectKnown(vni: vni, packet) }
        }
        try host.expectDrop(.ingress) {
            try bed.injectKnown(vni: IsolationBed.redBlocks[1], echo(routers[0], routers[1]))
        }
        // From a VM, to its own host and to another.
        for router in routers { try bed.hosts[0].expectDrop(.pair) { source.send(echo(source.address6, router)) } }
        try bed.hosts[0].expectDrop(.source) { source.send(echo(routers[0], routers[1])) }
    }

    /// The second host's red block is given back and leased to blue; the first host has not heard of it.
    @Test(arguments: IsolationTests.underlays)
    func aStaleSenderDoesNotReachTheBlocksNewApplication(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("stale", endpoints)
        let host = bed.hosts[1]
        let block = try KernelHost.block(IsolationBed.redBlocks[1])
        let former = bed.reds[1].port.sni
        try host.state.apply(.removePort(former))
        try host.state.apply(.removeLocalBlock(block))
        try host.state.apply(
            .setScope(Scope(application: bed.red, ranges: [SNIRange(unchecked: IsolationBed.redBlocks[0], count: 16)])))
        try host.converge()
        let packets = [
            Frames.udp4(bed.reds[0].address4, bed.reds[1].address4),
            Frames.udp6(bed.reds[0].address6, bed.reds[1].address6),
        ]
        for packet in packets { try host.expectDrop(.vni, "free") { bed.reds[0].send(packet) } }

        try host.state.apply(.setLocalBlock(LocalBlock(block: block, application: bed.blue)))
        try host.state.apply(
            .setScope(
                Scope(
                    application: bed.blue,
                    ranges: [SNIRange(unchecked: IsolationBed.blueBlocks[0], count: 32), block.range])))
        try host.converge()
        for packet in packets { try host.expectDrop(.ingress, "staged, nothing bound") { bed.reds[0].send(packet) } }

        var port = bed.reds[1].port
        port.application = bed.blue
        try host.state.apply(.setPort(port))
        try host.converge()
        for packet in packets {
            try host.expectDrop(.pair, "bound to the new application") { bed.reds[0].send(packet) }
        }
        for packet in packets { #expect(!bed.reds[1].receives(packet: packet, within: 20)) }
        #expect(try bed.hosts[0].drops() == [:], "the sender's host still believed in it")
    }

    /// Half ARP, half neighbor solicitations, each by another address.
    @Test(arguments: IsolationTests.underlays)
    func floodsOfForgedNeighborsAffectNobody(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("flood", endpoints)
        let (red, host) = (bed.reds[0], bed.hosts[0])
        let count: UInt32 = 50_000
        func othersWork() throws {
            bed.neighbor.sendARP(from: bed.neighbor.address4)
            #expect(
                bed.neighbor.receives { $0.count >= 42 && $0[12..<14] == [8, 6] && $0[21] == 2 }, "the gateway answers")
            let packet = Frames.udp4(bed.neighbor.address4, bed.reds[1].address4)
            bed.neighbor.send(packet)
            #expect(bed.reds[1].receives(packet: packet))
        }
        for number in 0..<count {
            red.sendARP(from: IPv4Address(0x0A40_0000 + number))
            let forged = IPv6Address(high: 0xfe80_0000_0000_0000, low: 0xBAD_0000_0000 + UInt64(number))
            red.send(Frames.solicitation(from: forged, mac: red.port.mac))
            if number % 10_000 == 0 { try othersWork() }
        }
        try othersWork()
        #expect(try host.drops() == [.arp: UInt64(count), .nd: UInt64(count)])
        let neighbors = try Command.run(["ip", "-n", host.overlay, "neigh", "show", "dev", red.port.name])
        #expect(neighbors.split(separator: "\n").allSatisfy { $0.contains("PERMANENT") || $0.hasPrefix("ff02") })
        // The machine's own neighbors share the kernel's table.
        let gateway = bed.underlay.machines[1].address
        try Command.run(["ping", "-n", "-c1", "-W2", "\(gateway)"], namespace: host.machine)
    }
}
