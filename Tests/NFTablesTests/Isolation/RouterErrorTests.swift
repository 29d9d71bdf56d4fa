import Dataplane
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

/// What makes traceroute and path MTU discovery work across hosts: ICMP errors reach the VM they are for, and show by
/// their source which host speaks.
@Suite(.serialized) struct RouterErrorTests {
    /// An ICMP or ICMPv6 error as a guest's frame holds it.
    struct RouterError: Hashable {
        var source: IPAddress
        var type: UInt8
        var code: UInt8
        /// Of "too big"; 0 else.
        var mtu: Int

        init?(_ frame: [UInt8]) {
            guard frame.count >= 62 else { return nil }
            if frame[12..<14] == [8, 0], frame[23] == 1, let source = IPAddress(bytes: Array(frame[26..<30])) {
                self.source = source
                (type, code, mtu) = (frame[34], frame[35], Int(frame[40]) << 8 | Int(frame[41]))
                guard [3, 11, 12].contains(type) else { return nil }
            } else if frame[12..<14] == [0x86, 0xDD], frame[20] == 58, frame[54] < 128,
                let source = IPAddress(bytes: Array(frame[22..<38]))
            {
                self.source = source
                (type, code, mtu) = (frame[54], frame[55], frame[58..<62].reduce(0) { $0 << 8 | Int($1) })
            } else {
                return nil
            }
            if !(type == 3 && code == 4 || type == 2) { mtu = 0 }
        }
    }

    private func error(at guest: Guest) -> RouterError? {
        var found: RouterError?
        _ = guest.receives { frame in
            found = RouterError(frame)
            return found != nil
        }
        return found
    }

    @Test(arguments: IsolationTests.underlays)
    func everyHopOfATracerouteAnswers(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("trace", endpoints)
        let (red, peer) = (bed.reds[0], bed.reds[1])
        let plan = bed.hosts[0].kernel.configuration.plan
        let (near, far) = (bed.hosts[0].endpoint, bed.hosts[1].endpoint)
        let hops4: [IPAddress] = [.v4(DataplaneConfiguration.gateway4), .v4(far.overlayRouter4)]
        let hops6: [IPAddress] = [.v6(plan.router6(of: near)), .v6(plan.router6(of: far))]
        let probe: [UInt8] = [0x82, 0x9A, 0x82, 0x9B, 0, 16, 0, 0] + [UInt8](repeating: 1, count: 8)
        for hop in 0..<2 {
            let ttl = UInt8(hop + 1)
            red.send(Frames.ip4(red.address4, peer.address4, transport: 17, ttl: ttl, probe))
            let answer4 = try #require(error(at: red), "IPv4, hop \(ttl)")
            #expect(answer4.source == hops4[hop] && answer4.type == 11 && answer4.code == 0)
            red.send(Frames.ip6(red.address6, peer.address6, next: 17, hopLimit: ttl, probe))
            let answer6 = try #require(error(at: red), "IPv6, hop \(ttl)")
            #expect(answer6.source == hops6[hop] && answer6.type == 3 && answer6.code == 0)
        }
        let last = Frames.ip4(red.address4, peer.address4, transport: 17, ttl: 3, probe)
        red.send(last)
        #expect(peer.receives(packet: last))
        for host in bed.hosts { #expect(try host.drops() == [:]) }
    }

    @Test(arguments: IsolationTests.underlays)
    func tooBigNamesTheOverlaysMTU(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("big", endpoints)
        let (red, peer) = (bed.reds[0], bed.reds[1])
        let mtu = Underlay.mtu - bed.hosts[0].endpoint.tunnelOverhead
        func packets(of size: Int) -> [[UInt8]] {
            [
                Frames.ip4(
                    red.address4, peer.address4, transport: 17, dontFragment: true,
                    [UInt8](repeating: 3, count: size - 20)),
                Frames.ip6(red.address6, peer.address6, next: 17, [UInt8](repeating: 3, count: size - 40)),
            ]
        }
        for packet in packets(of: mtu) {
            red.send(packet)
            #expect(peer.receives(packet: packet), "\(mtu) bytes fit")
        }
        for packet in packets(of: mtu + 1) {
            red.send(packet)
            #expect(try #require(error(at: red)).mtu == mtu)
            #expect(!peer.receives(packet: packet, within: 20))
        }
    }

    /// The underlay's path to the other host is narrower than what the overlay was made for.
    @Test(arguments: IsolationTests.underlays)
    func aNarrowUnderlayPathIsToldToTheVM(_ endpoints: Underlay.Endpoints) throws {
        let bed = try IsolationBed("path", endpoints)
        let (red, peer, host) = (bed.reds[0], bed.reds[1], bed.hosts[0])
        let far = bed.hosts[1].endpoint
        let route = try Command.run(["ip", "-n", host.machine, "route", "get", "\(far)"])
        let gateway =
            route.split(separator: " ").drop { $0 != "via" }.dropFirst().first.map { ["via", String($0)] } ?? []
        try Command.run(
            ["ip", "-n", host.machine, "route", "replace", "\(far.hostPrefix)"] + gateway + [
                "dev", "u0", "mtu", "lock", "1400",
            ])
        let packet = Frames.ip4(
            red.address4, peer.address4, transport: 17, dontFragment: true,
            [UInt8](repeating: 3, count: Underlay.mtu - far.tunnelOverhead - 20))
        // The first teaches the host: over IPv4 it gets through in fragments, over IPv6 the underlay refuses it.
        red.send(packet)
        let arrived = peer.receives(packet: packet, within: 200)
        #expect(arrived == !far.isIPv6)
        red.send(packet)
        #expect(try #require(error(at: red)).mtu == 1400 - far.tunnelOverhead)
        let fitting = Frames.ip4(
            red.address4, peer.address4, transport: 17, dontFragment: true,
            [UInt8](repeating: 3, count: 1400 - far.tunnelOverhead - 20))
        red.send(fitting)
        #expect(peer.receives(packet: fitting))
        try expectTooBig6(bed, narrow: 1400 - far.tunnelOverhead)
    }

    /// The kernel forwards IPv6 by the size of the tunnel's device alone: the host sets it to what its paths carry.
    private func expectTooBig6(_ bed: IsolationBed, narrow: Int) throws {
        let (red, peer, kernel) = (bed.reds[0], bed.reds[1], bed.hosts[0].kernel)
        func packet(_ size: Int) -> [UInt8] {
            Frames.ip6(red.address6, peer.address6, next: 17, [UInt8](repeating: 3, count: size - 40))
        }
        let paths = try kernel.paths(to: [bed.hosts[1].endpoint])
        #expect(paths.mtu == narrow && paths.problems.count == 1)
        try kernel.limitIPv6(to: paths.mtu)
        for size in [kernel.configuration.mtu, narrow + 1] {
            red.send(packet(size))
            let answer = try #require(error(at: red), "\(size) bytes")
            #expect(answer.type == 2 && answer.mtu == narrow)
            #expect(!peer.receives(packet: packet(size), within: 20))
        }
        red.send(packet(narrow))
        #expect(peer.receives(packet: packet(narrow)))
        // Packets of the other family are as they were: what fits the path passes, on the way back too.
        let back = Frames.ip6(peer.address6, red.address6, next: 17, [UInt8](repeating: 4, count: narrow - 40))
        peer.send(back)
        #expect(red.receives(packet: back))
    }

    @Test func addressesOfHostsAreNobodyElses() {
        let plan = OverlayPlan.standard
        let endpoints: [IPAddress] = (1...2000).flatMap { number -> [IPAddress] in
            [
                .v4(IPv4Address(0x0A00_0000 + UInt32(number))),
                .v6(IPv6Address(high: 0x2001_0DB8 << 32, low: UInt64(number))),
            ]
        }
        #expect(Set(endpoints.map(\.tunnelMAC)).count == endpoints.count)
        #expect(Set(endpoints.map(\.tunnelGateway)).count == endpoints.count)
        #expect(Set(endpoints.map { plan.router6(of: $0) }).count == endpoints.count)
        for endpoint in endpoints {
            #expect(!endpoint.tunnelMAC.isMulticast && endpoint.tunnelMAC.rawValue >> 41 & 1 == 1, "unicast, local")
            let bytes = endpoint.overlayRouter4.bytes
            #expect(bytes[0] == 169 && bytes[1] == 254 && (2...254).contains(bytes[2]) && (1...254).contains(bytes[3]))
            #expect(bytes[2] != 169)
        }
        // Part of the wire: a host of another version must compute the same.
        #expect("\(IPAddress.v4(IPv4Address(0xC000_0201)).tunnelMAC)" == "02:4f:c0:00:02:01")
        #expect("\(IPAddress.v6(IPv6Address(high: 0x2001_0DB8 << 32, low: 1)).tunnelMAC)" == "06:4d:e8:97:d9:54")
    }
}
