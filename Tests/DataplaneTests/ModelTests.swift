import Dataplane
import NetworkTypes
import SimulationKit
import Testing

/// The objects of each change, by hand.
@Suite struct ModelTests {
    private let plan = OverlayPlan.standard
    private let block = Facts.block(0, 1)

    private func touched(_ change: DataplaneChange) throws -> (DataplaneModel, Set<KernelKey>) {
        var model = DataplaneModel(configuration: Facts.configuration)
        let keys = try model.apply(change)
        return (model, keys)
    }

    @Test func everyHostHasGatewayAndCoverRoutes() {
        let model = DataplaneModel(configuration: Facts.configuration)
        #expect(
            Set(model.keys.compactMap { model.object(for: $0) }) == [
                .address(device: "lo", prefix: .v4(DataplaneConfiguration.gateway4, length: 32)),
                .address(device: "outrider", prefix: .v4(Facts.configuration.vtep.overlayRouter4, length: 32)),
                .address(
                    device: "outrider",
                    prefix: .v6(IPv6Address(high: 0xfd53_4e49_5349_0000, low: 0x024F_C000_0201), length: 128)),
                .route(.v4(IPv4Address(0xA9FE_0000), length: 16), metric: 4000, .device("outrider", source: nil)),
                .route(plan.ipv4, metric: 4000, .unreachable), .route(plan.ipv6, metric: 4000, .unreachable),
                .vni(SessionNetworkID(unchecked: 1)), .element(.tunnelID(SessionNetworkID(unchecked: 1))),
                .element(
                    .ingress6(
                        vni: SessionNetworkID(unchecked: 1),
                        IPv6Address(high: 0xfd53_4e49_5349_0000, low: 0x024F_C000_0201))),
            ])
    }

    @Test func remoteBlocksOfOnePeerShareOneNeighbor() throws {
        let peer = Facts.peers[0]
        var (model, keys) = try touched(
            .setRemoteBlock(RemoteRoute(block: block, application: Facts.applications[0], vtep: peer)))
        let id: UInt32 = 0x4400_1010
        let gateway = IPv6Address.linkLocal(0xC000_0202)
        let neighbor = KernelObject.neighbor(
            device: "outrider", address: .v6(gateway), mac: MACAddress(0x024F_C000_0202))
        #expect(
            Set(keys.compactMap { model.object(for: $0) }) == [
                neighbor, .element(.vtep(peer)),
                .nexthop(
                    Nexthop(
                        id: id, vni: block.first, source: Facts.configuration.vtep, vtep: peer, gateway: gateway,
                        device: "outrider")),
                .route(.v4(IPv4Address(0x0A00_1010), length: 28), metric: 0, .nexthop(id)),
                .route(plan.ipv6Prefix(of: block), metric: 1024, .nexthop(id)),
                .nexthop(
                    Nexthop(
                        id: 0xC000_0202, vni: SessionNetworkID(unchecked: 1), source: Facts.configuration.vtep,
                        vtep: peer, gateway: gateway, device: "outrider")),
                .route(.v6(plan.router6(of: peer), length: 128), metric: 1024, .nexthop(0xC000_0202)),
            ])
        let second = Facts.block(0, 2)
        let more = try model.apply(
            .setRemoteBlock(RemoteRoute(block: second, application: Facts.applications[0], vtep: peer)))
        #expect(more.count == 7 && more.contains(neighbor.key), "a block waits for its endpoint")
        _ = try model.apply(.removeRemoteBlock(block))
        #expect(model.object(for: neighbor.key) == neighbor)
        _ = try model.apply(.removeRemoteBlock(second))
        #expect(model.object(for: neighbor.key) == nil)
        #expect(model.object(for: .element(.vtep(peer))) == nil)
    }

    @Test func aFormerEndpointIsAdmittedAndNothingGoesThere() throws {
        let (former, peer) = (Facts.peers[0], Facts.peers[1])
        var route = RemoteRoute(block: block, application: Facts.applications[0], vtep: former)
        var (model, _) = try touched(.setRemoteBlock(route))
        let second = Facts.block(0, 2)
        (route.vtep, route.former) = (peer, former)
        _ = try model.apply(.setRemoteBlock(route))
        func isAdmitted(_ vtep: IPAddress) -> Bool { model.object(for: .element(.vtep(vtep))) != nil }
        func neighbor(_ vtep: IPAddress) -> KernelKey {
            .neighbor(device: "outrider", address: .v6(vtep.tunnelGateway))
        }
        #expect(isAdmitted(former) && isAdmitted(peer))
        #expect(model.object(for: neighbor(former)) == nil && model.object(for: neighbor(peer)) != nil)
        // Of two blocks, the last one that says so keeps it.
        var other = route
        other.block = second
        _ = try model.apply(.setRemoteBlock(other))
        route.former = nil
        _ = try model.apply(.setRemoteBlock(route))
        #expect(isAdmitted(former))
        _ = try model.apply(.removeRemoteBlock(second))
        #expect(!isAdmitted(former) && isAdmitted(peer))
        // An endpoint that somebody else has again is admitted for what it is.
        other.vtep = former
        other.former = nil
        _ = try model.apply(.setRemoteBlock(other))
        #expect(isAdmitted(former) && model.object(for: neighbor(former)) != nil)
    }

    @Test func anotherOwnEndpointChangesTheSourceOfEverythingAndNoKeyOfABlock() throws {
        let route = RemoteRoute(block: block, application: Facts.applications[0], vtep: Facts.peers[0])
        var (model, _) = try touched(.setRemoteBlock(route))
        let before = Set(model.keys)
        let moved = IPAddress.v4(IPv4Address(0xC000_02FE))
        let keys = try model.apply(.setEndpoint(moved))
        #expect(model.configuration.vtep == moved)
        let id = DataplaneConfiguration.nexthopID(of: block)
        guard case .nexthop(let nexthop)? = model.object(for: .nexthop(id)) else {
            Issue.record("no nexthop")
            return
        }
        #expect(nexthop.source == moved && nexthop.vtep == Facts.peers[0] && keys.contains(.nexthop(id)))
        let changed = before.symmetricDifference(model.keys)
        #expect(
            changed.count == 6 && changed.allSatisfy { $0.kind == .address || $0.kind == .element(.ingress6) },
            "what it calls itself: \(changed)")
        #expect(keys.contains(.nexthop(DataplaneConfiguration.echoNexthopID(of: Facts.peers[0]))))
        #expect(changed.isSubset(of: keys))
        #expect(throws: DataplaneError.ownTunnelEndpoint(block, Facts.peers[0])) {
            try model.apply(.setEndpoint(Facts.peers[0]))
        }
        #expect(model.configuration.vtep == moved)
    }

    @Test func aBlockOnStandbyLacksOnlyItsRoutes() throws {
        let route = RemoteRoute(
            block: block, application: Facts.applications[0], vtep: Facts.peers[0], standby: true)
        var (model, _) = try touched(.setRemoteBlock(route))
        func routes() -> [KernelKey] {
            model.keys.filter {
                if case .route(let prefix, let metric) = $0 {
                    metric != 4000 && prefix != .v6(plan.router6(of: Facts.peers[0]), length: 128)
                } else {
                    false
                }
            }
        }
        let ready = Set(model.keys)
        #expect(routes().isEmpty)
        #expect(ready.contains(.nexthop(DataplaneConfiguration.nexthopID(of: block))))
        #expect(ready.contains(.element(.vtep(Facts.peers[0]))))
        var flipped = route
        flipped.standby = false
        _ = try model.apply(.setRemoteBlock(flipped))
        #expect(routes().count == 2 && Set(model.keys).subtracting(ready) == Set(routes()))
        _ = try model.apply(.setRemoteBlock(route))
        #expect(Set(model.keys) == ready)
        _ = try model.apply(.removeRemoteBlock(block))
        #expect(Set(model.keys) == Set(DataplaneModel(configuration: Facts.configuration).keys))
    }

    @Test func aPortOnStandbyLetsNothingIn() throws {
        let sni = SessionNetworkID(unchecked: block.first.rawValue + 2)
        var port = Facts.port(0, sni, in: block)
        port.standby = true
        var (model, _) = try touched(.setPort(port))
        let closed = Set(model.keys)
        #expect(model.standbyPorts == [sni])
        let ingress = KernelKey.element(.ingress4(vni: block.vni, plan.ipv4(of: sni)))
        let route = KernelKey.route(.v4(plan.ipv4(of: sni), length: 32), metric: 0)
        #expect(!closed.contains(ingress) && !closed.contains(route))
        #expect(closed.contains(.neighbor(device: port.name, address: .v4(plan.ipv4(of: sni)))))
        port.standby = false
        _ = try model.apply(.setPort(port))
        #expect(model.object(for: ingress) != nil && model.object(for: route) != nil && model.standbyPorts.isEmpty)
        port.standby = true
        _ = try model.apply(.setPort(port))
        #expect(Set(model.keys) == closed)
        _ = try model.apply(.removePort(sni))
        #expect(model.standbyPorts.isEmpty)
    }

    /// A VM that left: its port goes, and what stale senders send still comes in, for the route to its new host.
    @Test func forwardingOutlivesThePort() throws {
        let sni = SessionNetworkID(unchecked: block.first.rawValue + 2)
        let single = try #require(SNIBlock(first: sni, size: 1))
        var (model, _) = try touched(.setPort(Facts.port(0, sni, in: block)))
        let ingress = KernelKey.element(.ingress4(vni: block.vni, plan.ipv4(of: sni)))
        let route = KernelKey.route(.v4(plan.ipv4(of: sni), length: 32), metric: 0)
        _ = try model.apply(
            .setRemoteBlock(RemoteRoute(block: single, application: Facts.applications[0], vtep: Facts.peers[0])))
        _ = try model.apply(.setForwarding(Forwarding(sni: sni, block: block)))
        let home = model.object(for: route)
        _ = try model.apply(.removePort(sni))
        #expect(model.object(for: ingress) != nil)
        #expect(model.object(for: route) != nil && model.object(for: route) != home, "it leads to the new host")
        _ = try model.apply(.removeForwarding(sni))
        #expect(model.object(for: ingress) == nil && model.object(for: route) != nil)
        #expect(throws: DataplaneError.portOutsideBlock(SessionNetworkID(unchecked: 9), block)) {
            try model.apply(.setForwarding(Forwarding(sni: SessionNetworkID(unchecked: 9), block: block)))
        }
    }

    /// Two IPv6 endpoints whose echoes would go by one nexthop object: the first is echoed to, until it goes.
    @Test func echoesOfTwoEndpointsNeverShareAWay() throws {
        let facts = Facts(isIPv6: true)
        var byID: [UInt32: IPAddress] = [:]
        var pair: (IPAddress, IPAddress)?
        for number in 1...UInt64(300_000) where pair == nil {
            let vtep = IPAddress.v6(IPv6Address(high: 0x2001_0DB8_0000_0007, low: number))
            if let other = byID.updateValue(vtep, forKey: DataplaneConfiguration.echoNexthopID(of: vtep)) {
                pair = (other, vtep)
            }
        }
        let (one, other) = try #require(pair, "of 300,000 two have one id, or the mixing is not what it was")
        var model = DataplaneModel(configuration: facts.configuration)
        let second = Facts.block(0, 2)
        func way(_ vtep: IPAddress) -> KernelObject? {
            model.object(for: .route(.v6(plan.router6(of: vtep), length: 128), metric: 1024))
        }
        for (block, vtep) in [(block, one), (second, other)] {
            _ = try model.apply(
                .setRemoteBlock(RemoteRoute(block: block, application: Facts.applications[0], vtep: vtep)))
        }
        #expect(way(one) != nil && way(other) == nil)
        _ = try model.apply(.removeRemoteBlock(block))
        #expect(way(one) == nil)
        _ = try model.apply(
            .setRemoteBlock(RemoteRoute(block: second, application: Facts.applications[0], vtep: other)))
        #expect(way(other) != nil)
    }

    @Test func nexthopsNameTheirBlocks() {
        for size in [1, 16, 256] {
            guard let block = SNIBlock(first: SessionNetworkID(unchecked: 0x1000), size: size) else { continue }
            #expect(DataplaneConfiguration.block(ofNexthop: DataplaneConfiguration.nexthopID(of: block)) == block)
        }
        for id: UInt32 in [0, 1, 0x8400_1000, 0x4400_1001, 0x5900_0000] {
            #expect(DataplaneConfiguration.block(ofNexthop: id) == nil)
        }
    }

    @Test func aPortHasRoutesNeighborsAndExactElements() throws {
        let sni = SessionNetworkID(unchecked: block.first.rawValue + 2)
        let port = Facts.port(0, sni, in: block)
        let (model, keys) = try touched(.setPort(port))
        let address4 = plan.ipv4(of: sni)
        let address6 = plan.ipv6(of: sni)
        let network6 = IPv6Address(high: address6.high, low: address6.low & ~0xFF)
        let linkLocal = try #require(IPv6Address("fe80::44f:52ff:fe00:1012"))
        #expect(
            Set(keys.compactMap { model.object(for: $0) }) == [
                .address(device: "sni001012", prefix: .v6(.linkLocal(1), length: 128)),
                .route(
                    .v4(address4, length: 32), metric: 0,
                    .device("sni001012", source: DataplaneConfiguration.gateway4, mtu: 1450)),
                .route(.v6(address6, length: 128), metric: 1024, .device("sni001012", source: nil, mtu: 1450)),
                .route(.v6(linkLocal, length: 128), metric: 1024, .device("sni001012", source: nil, mtu: 1450)),
                .neighbor(device: "sni001012", address: .v4(address4), mac: port.mac),
                .neighbor(device: "sni001012", address: .v6(address6), mac: port.mac),
                .neighbor(device: "sni001012", address: .v6(linkLocal), mac: port.mac),
                .element(.source4(device: "sni001012", address4)), .element(.source6(device: "sni001012", network6)),
                .element(.arpSender(device: "sni001012", address4)),
                .element(.solicitor6(device: "sni001012", address6)),
                .element(.solicitor6(device: "sni001012", linkLocal)),
                .element(.ingress4(vni: block.first, address4)), .element(.ingress6(vni: block.first, address6)),
            ])
    }

    @Test func pairsNeedBothSidesAndMergedRanges() throws {
        let (red, blue) = (Facts.applications[0], Facts.applications[1])
        var model = DataplaneModel(configuration: Facts.configuration)
        // Adjacent and overlapping ranges are one interval.
        let ranges = [Facts.block(0, 1).range, Facts.block(0, 0).range, SNIRange(unchecked: 4096, count: 20)]
        var keys = try model.apply(.setScope(Scope(application: red, ranges: ranges, allowed: [blue])))
        let first = plan.ipv4Interval(of: SNIRange(unchecked: 4096, count: 32))
        #expect(keys.count == 2)
        #expect(keys.contains(.element(.pair4(first, first))))
        let blueRange = Facts.block(1, 0).range
        keys = try model.apply(.setScope(Scope(application: blue, ranges: [blueRange])))
        #expect(keys.count == 2, "blue does not allow red")
        keys = try model.apply(.setScope(Scope(application: blue, ranges: [blueRange], allowed: [red])))
        let other = plan.ipv4Interval(of: blueRange)
        #expect(keys.count == 4)
        #expect(keys.contains(.element(.pair4(first, other))) && keys.contains(.element(.pair4(other, first))))
        keys = try model.apply(.removeScope(red))
        #expect(keys.count == 6 && keys.allSatisfy { model.object(for: $0) == nil })
    }

    @Test func impossibleChangesLeaveNoTrace() throws {
        var model = DataplaneModel(configuration: Facts.configuration)
        let before = Set(model.keys)
        let own = Facts.configuration.vtep
        let zero = try #require(SNIBlock(first: SessionNetworkID(unchecked: 0), size: 16))
        let outside = SessionNetworkID(unchecked: 8)
        #expect(throws: DataplaneError.ownTunnelEndpoint(block, own)) {
            try model.apply(
                .setRemoteBlock(RemoteRoute(block: block, application: Facts.applications[0], vtep: own)))
        }
        #expect(throws: DataplaneError.reservedVNI(zero)) {
            try model.apply(.setLocalBlock(LocalBlock(block: zero, application: Facts.applications[0])))
        }
        #expect(throws: DataplaneError.portOutsideBlock(outside, block)) {
            try model.apply(.setPort(Facts.port(0, outside, in: block)))
        }
        var group = Facts.port(0, block.first, in: block)
        group.mac = MACAddress(0x0100_5E00_0001)
        #expect(throws: DataplaneError.groupAddress(block.first, group.mac)) { try model.apply(.setPort(group)) }
        let narrow = try #require(
            OverlayPlan(ipv4: .v4(IPv4Address(0x6440_0000), length: 20), ipv6: OverlayPlan.standard.ipv6))
        var small = DataplaneModel(
            configuration: DataplaneConfiguration(plan: narrow, vtep: .v4(IPv4Address(1)), mtu: 1450))
        #expect(throws: DataplaneError.outsidePlan(block.range, capacity: 4096)) {
            try small.apply(.setLocalBlock(LocalBlock(block: block, application: Facts.applications[0])))
        }
        #expect(Set(model.keys) == before)
    }

    /// A bound identifier beats a route of the same prefix to another host.
    @Test func whatIsBoundHereWins() throws {
        let sni = SessionNetworkID(unchecked: block.first.rawValue + 3)
        let single = try #require(SNIBlock(first: sni, size: 1))
        let remote = RemoteRoute(block: single, application: Facts.applications[0], vtep: Facts.peers[0])
        let key = KernelKey.route(.v4(plan.ipv4(of: sni), length: 32), metric: 0)
        var (model, _) = try touched(.setRemoteBlock(remote))
        #expect(model.object(for: key) == .route(.v4(plan.ipv4(of: sni), length: 32), metric: 0, .nexthop(0x4000_1013)))
        let port = Facts.port(0, sni, in: block)
        _ = try model.apply(.setPort(port))
        guard case .route(_, _, .device(port.name, _, _)) = try #require(model.object(for: key)) else {
            Issue.record("the remote route won")
            return
        }
        _ = try model.apply(.removePort(sni))
        #expect(model.object(for: key) == .route(.v4(plan.ipv4(of: sni), length: 32), metric: 0, .nexthop(0x4000_1013)))
    }

    /// History does not matter, only what stands.
    @Test func incrementalEqualsFromScratch() throws {
        try property("model equals reference", iterations: 8) { generator in
            var facts = Facts()
            var model = DataplaneModel(configuration: Facts.configuration)
            for _ in 0..<80 {
                let change = facts.mutate(using: &generator)
                let before = Dictionary(uniqueKeysWithValues: model.keys.map { ($0, model.object(for: $0)) })
                let touched = try model.apply(change)
                for key in Set(before.keys).union(model.keys) where !touched.contains(key) {
                    try hold(model.object(for: key) == before[key] ?? nil, "untouched \(key) changed by \(change)")
                }
            }
            let wanted = try facts.objects(using: &generator)
            let have = Dictionary(uniqueKeysWithValues: model.keys.map { ($0, model.object(for: $0)) })
            try hold(have.count == wanted.count, "\(have.count) objects instead of \(wanted.count)")
            for (key, object) in wanted { try hold(have[key] == object, "\(key)") }
        }
    }
}

/// Order of keys: total, and kinds together.
@Suite struct KeyOrderTests {
    @Test func keysAreTotallyOrdered() throws {
        try property("key order", iterations: 3) { generator in
            var facts = Facts()
            for _ in 0..<60 { _ = facts.mutate(using: &generator) }
            let keys = Array(try facts.objects(using: &generator).keys)
            let sorted = keys.sorted()
            for (one, other) in zip(sorted, sorted.dropFirst()) {
                try hold(one < other && !(other < one), "\(one) and \(other)")
            }
            try hold(keys.shuffled(using: &generator).sorted() == sorted, "the order depends on the input")
            try hold(Set(sorted.map(\.description)).count == sorted.count, "two keys read the same")
        }
    }
}
