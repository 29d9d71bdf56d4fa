import Dataplane
import NetworkTypes
import SimulationKit
import Testing

/// Desired and actual: plans, ownership, faults.
@Suite struct TrackerTests {
    private func state(deletes: DeletionScope = .everything) -> DataplaneState {
        DataplaneState(configuration: Facts.configuration, deletes: deletes)
    }

    /// Everything a host needs for one launch, at rest.
    private func settled(deletes: DeletionScope = .everything) throws -> (Reconciler, SNIBlock) {
        let block = Facts.block(0, 0)
        var reconciler = Reconciler(state: state(deletes: deletes), kernel: FakeKernel())
        let application = Facts.applications[0]
        try reconciler.state.apply(.setScope(Scope(application: application, ranges: [block.range])))
        try reconciler.state.apply(.setLocalBlock(LocalBlock(block: block, application: application)))
        try reconciler.state.apply(
            .setRemoteBlock(RemoteRoute(block: Facts.block(0, 1), application: application, vtep: Facts.peers[0])))
        try reconciler.state.apply(.setPort(Facts.port(0, block.first, in: block)))
        #expect(try reconciler.converge(within: 3) != nil)
        return (reconciler, block)
    }

    @Test func acquireAndReleaseFollowTheOrderOfCommit() throws {
        var (reconciler, block) = try settled()
        #expect(reconciler.kernel.violations == [])
        var fresh = state()
        fresh.resync(KernelDump(objects: []))
        let application = Facts.applications[0]
        try fresh.apply(.setPort(Facts.port(0, block.first, in: block)))
        try fresh.apply(.setLocalBlock(LocalBlock(block: block, application: application)))
        try fresh.apply(.setScope(Scope(application: application, ranges: [block.range])))
        try fresh.apply(
            .setRemoteBlock(RemoteRoute(block: Facts.block(0, 1), application: application, vtep: Facts.peers[0])))
        #expect(
            fresh.plan().steps.map(\.stage) == [
                .acquirePairs, .acquireAddresses, .acquireNeighbors, .acquireNexthops, .acquireRoutes,
                .acquireSources, .acquireIngress, .acquireVNIs,
            ])
        try reconciler.state.apply(.removeScope(application))
        try reconciler.state.apply(.removePort(block.first))
        try reconciler.state.apply(.removeLocalBlock(block))
        try reconciler.state.apply(.removeRemoteBlock(Facts.block(0, 1)))
        #expect(
            reconciler.state.plan().steps.map(\.stage) == [
                .releaseVNIs, .releaseIngress, .releaseSources, .releaseRoutes, .releaseNexthops, .releaseNeighbors,
                .releaseAddresses, .releasePairs,
            ])
    }

    /// A launch on a full host writes its own objects and nothing else.
    @Test func aPortCostsOnlyItself() throws {
        var state = state()
        for index in 0..<4 {
            for block in 0..<200 {
                let block = Facts.block(index, block)
                let route = RemoteRoute(block: block, application: Facts.applications[index], vtep: Facts.peers[index])
                try state.apply(.setRemoteBlock(route))
            }
        }
        let home = Facts.block(0, 255)
        state.resync(KernelDump(objects: []))
        for operation in state.plan().operations { state.completed(operation) }
        #expect(state.plan().isEmpty && state.tracker.desiredCount > 2400)
        let keys = try state.apply(.setPort(Facts.port(0, home.first, in: home)))
        #expect(state.tracker.pendingCount == 14 && state.isPending(keys))
        let plan = state.plan()
        #expect(plan.operationCount == 14 && Set(plan.operations.map(\.key)) == keys)
        plan.operations.forEach { state.completed($0) }
        #expect(!state.isPending(keys))
        try state.apply(.removePort(home.first))
        #expect(state.plan().operationCount == 14)
    }

    @Test func growingAPairReplacesItInOneTransaction() throws {
        var (reconciler, block) = try settled()
        let grown = SNIRange(unchecked: block.first.rawValue, count: 32)
        try reconciler.state.apply(.setScope(Scope(application: Facts.applications[0], ranges: [grown])))
        let plan = reconciler.state.plan()
        #expect(plan.steps.map(\.stage) == [.acquirePairs])
        #expect(plan.operations.map(\.isDelete) == [true, true, false, false])
        #expect(try reconciler.converge(within: 3) != nil)
        #expect(reconciler.state.tracker.failures.isEmpty)
    }

    /// The four kinds of entries that were there before: ours are removed on the second dump, the rest stays.
    @Test(arguments: [DeletionScope.everything, .remoteBlocks, .nothing])
    func ownershipDecidesWhatGoes(deletes: DeletionScope) throws {
        var (reconciler, _) = try settled(deletes: deletes)
        let kernel = reconciler.kernel
        let prefix = IPPrefix.v4(IPv4Address(0x0A00_8000), length: 28)
        let block = DataplaneConfiguration.nexthopID(of: Facts.block(0, 7))
        let remote: [ObservedObject] = [
            ObservedObject(.route(prefix, metric: 0, .nexthop(block)), origin: .routing(protocolNumber: 83)),
            ObservedObject(key: .nexthop(block), object: nil, origin: .routing(protocolNumber: 83)),
        ]
        let local: [ObservedObject] = [
            ObservedObject(.vni(SessionNetworkID(unchecked: 77))),
            ObservedObject(
                .neighbor(device: "sni00ffff", address: .v4(IPv4Address(0x0A00_FFFF)), mac: MACAddress(1)),
                origin: .neighbor(permanent: true)),
            ObservedObject(.element(.unknown(.source4, key: [1, 2], end: []))),
        ]
        let foreign: [ObservedObject] = [
            ObservedObject(.route(prefix, metric: 50, .unreachable), origin: .routing(protocolNumber: 4)),
            ObservedObject(
                .neighbor(device: "eth0", address: .v4(IPv4Address(9)), mac: MACAddress(1)),
                origin: .neighbor(permanent: true)),
        ]
        let ignored: [ObservedObject] = [
            ObservedObject(
                .route(.v6(.linkLocal(0), length: 64), metric: 256, .device("outrider", source: nil)),
                origin: .routing(protocolNumber: 2)),
            ObservedObject(.address(device: "outrider", prefix: .v6(.linkLocal(9), length: 64))),
            ObservedObject(
                .neighbor(device: "outrider", address: .v6(.linkLocal(9)), mac: MACAddress(1)),
                origin: .neighbor(permanent: false)),
        ]
        let going = deletes == .everything ? remote + local : deletes == .remoteBlocks ? remote : []
        let staying = deletes == .everything ? [] : deletes == .remoteBlocks ? local : remote + local
        (remote + local + foreign + ignored).forEach(kernel.place)
        let writes = kernel.writes
        reconciler.state.resync(try kernel.dump())
        #expect(reconciler.state.plan().isEmpty, "one dump deletes nothing")
        #expect(reconciler.state.tracker.needsRecheck == !going.isEmpty)
        #expect(reconciler.state.tracker.foreign == Set(foreign.map(\.key)))
        reconciler.state.resync(try kernel.dump())
        #expect(Set(reconciler.state.plan().operations) == Set(going.map { .delete($0.key) }))
        #expect(reconciler.state.tracker.withheld == Set(staying.map(\.key)))
        #expect(try reconciler.converge(within: 4) != nil)
        for entry in foreign + ignored { #expect(kernel.entries[entry.key] == entry) }
        for entry in going { #expect(kernel.entries[entry.key] == nil) }
        for entry in staying { #expect(kernel.entries[entry.key] == entry) }
        #expect(kernel.writes == writes + going.count)
        #expect(reconciler.state.tracker.pendingCount == 0, "what may not go is not waited for")
        reconciler.state.setDeletes(.everything)
        #expect(try reconciler.converge(within: 4) != nil)
        for entry in staying { #expect(kernel.entries[entry.key] == nil) }
        #expect(kernel.violations == [])
    }

    /// What was wanted in this process is known, whatever else is not: it goes when it is taken back.
    @Test func whatWasWantedGoesAlsoWithoutAJournal() throws {
        var (reconciler, _) = try settled(deletes: .nothing)
        let before = reconciler.kernel.entries.count
        let touched = try reconciler.state.apply(.removeRemoteBlock(Facts.block(0, 1)))
        #expect(try reconciler.converge(within: 3) != nil)
        #expect(!reconciler.state.isPending(touched))
        #expect(reconciler.kernel.entries.count < before)
        #expect(touched.allSatisfy { reconciler.kernel.entries[$0] == nil })
    }

    @Test func anEntryThatVanishesBetweenTwoDumpsIsNotDeleted() throws {
        var (reconciler, _) = try settled()
        let passing = ObservedObject(.vni(SessionNetworkID(unchecked: 77)))
        reconciler.kernel.place(passing)
        reconciler.state.resync(try reconciler.kernel.dump())
        reconciler.kernel.remove(passing.key)
        reconciler.state.resync(try reconciler.kernel.dump())
        reconciler.kernel.place(passing)
        reconciler.state.resync(try reconciler.kernel.dump())
        #expect(reconciler.state.plan().isEmpty)
    }

    @Test func aForeignEntryOnOurKeyIsReportedAndLeft() throws {
        var (reconciler, _) = try settled()
        let key = KernelKey.route(OverlayPlan.standard.ipv4, metric: 4000)
        let foreign = ObservedObject(
            .route(OverlayPlan.standard.ipv4, metric: 4000, .device("eth0", source: nil)),
            origin: .routing(protocolNumber: 186))
        reconciler.kernel.place(foreign)
        reconciler.state.resync(try reconciler.kernel.dump())
        #expect(reconciler.state.plan().isEmpty && reconciler.state.tracker.obstructed == [key])
        #expect(reconciler.state.isPending(key))
        reconciler.kernel.remove(key)
        reconciler.state.resync(try reconciler.kernel.dump())
        #expect(reconciler.state.plan().operations.map(\.key) == [key])
    }

    /// A learned entry on a wanted key, and a value that drifted, are replaced.
    @Test func driftIsRepaired() throws {
        var (reconciler, block) = try settled()
        let port = Facts.port(0, block.first, in: block)
        let address = IPAddress.v4(OverlayPlan.standard.ipv4(of: block.first))
        reconciler.kernel.place(
            ObservedObject(
                .neighbor(device: port.name, address: address, mac: port.mac), origin: .neighbor(permanent: false)))
        let id = DataplaneConfiguration.nexthopID(of: Facts.block(0, 1))
        reconciler.kernel.place(
            ObservedObject(key: .nexthop(id), object: nil, origin: .routing(protocolNumber: 83)))
        reconciler.state.resync(try reconciler.kernel.dump())
        let plan = reconciler.state.plan()
        #expect(Set(plan.operations.map(\.key)) == [.neighbor(device: port.name, address: address), .nexthop(id)])
        #expect(plan.operations.allSatisfy { if case .replace = $0 { true } else { false } })
        #expect(try reconciler.converge(within: 3) != nil)
    }
}
