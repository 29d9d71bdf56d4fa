import AgentCore
import FleetProtocol
import NetworkTypes
import Testing

@Suite struct MigrationTests {
    static let sni = SessionNetworkID(unchecked: 0x2000)
    static let single = Rig.block(0x2000, 1)

    static func incoming(
        _ interface: VMInterface?, epoch: UInt64 = 5, marked: Bool = false, force: Bool = false
    ) -> StateOperation {
        .setLease(
            LeaseOrder(
                block: single, application: Rig.appA, epoch: Epoch(epoch), staged: true, marked: marked, force: force,
                incoming: interface))
    }

    static func remote(_ block: SNIBlock, epoch: UInt64, standby: Bool = false) -> StateOperation {
        .setRemote(
            RemoteBlock(
                block: block, application: Rig.appA, epoch: Epoch(epoch), host: HostID("h2").unsafelyKnown,
                vtep: .v4(IPv4Address(0x0A00_0002)), standby: standby))
    }

    static func departure(_ phase: Departure.Phase, epoch: UInt64 = 5) -> StateOperation {
        .setDeparture(
            Departure(
                sni: SessionNetworkID(unchecked: 0x1000), interface: Rig.vm(1), epoch: Epoch(epoch),
                destination: HostID("h2").unsafelyKnown, phase: phase))
    }

    static func arrivals(_ rig: Rig) -> [Epoch] {
        rig.sent.compactMap { if case .arrived(sni, let epoch) = $0 { epoch } else { nil } }
    }

    /// A destination: the block around the identifier is another host's.
    static func destination() -> Rig {
        Rig.ready([Rig.lease(0x1000), remote(Rig.block(0x2000), epoch: 2), incoming(Rig.vm(7))])
    }

    // MARK: Destination

    @Test func nothingPassesBeforeTheFirstFrame() throws {
        var rig = Self.destination()
        #expect(rig.remoteBlocks == [Rig.block(0x2000)] && rig.localBlocks.contains(Self.single))
        let answer = try #require(rig.attach(Rig.vm(7))?.attachment)
        #expect(answer.sni == Self.sni)
        #expect(rig.standbyPorts == [Self.sni] && rig.openPorts.isEmpty)
        rig.submitFirstFrame(Self.sni)
        #expect(rig.openPorts.isEmpty && Self.arrivals(rig).isEmpty, "not before its record")
        rig.stepJournal()
        #expect(Self.arrivals(rig).isEmpty)
        rig.settle()
        #expect(rig.openPorts == [Self.sni] && Self.arrivals(rig) == [Epoch(5)])
        rig.submitFirstFrame(Self.sni)
        rig.settle()
        #expect(Self.arrivals(rig).count == 1)
        #expect(rig.problems.isEmpty)
    }

    /// A book that was restored from a backup must not take a VM for one that has moved.
    @Test func aHelloSaysWhatHasNotArrived() throws {
        var rig = Self.destination()
        _ = rig.attach(Rig.vm(7))
        let awaits = { (rig: Rig) in rig.hellos.last?.leases.filter(\.awaitsArrival).map(\.block) }
        rig.connect()
        #expect(awaits(rig) == [Self.single])
        rig.submitFirstFrame(Self.sni)
        rig.settle()
        rig.connect()
        #expect(awaits(rig) == [])
    }

    @Test func onlyTheVMThatMigratesGetsIt() throws {
        var rig = Self.destination()
        for number in 1...4 {
            #expect(rig.attach(Rig.vm(number))?.attachment.map { $0.sni.rawValue < 0x2000 } == true)
        }
        let waiting = rig.submitAttach(Rig.vm(5), timeout: .seconds(1))
        rig.settle()
        #expect(rig.replies[waiting] == nil, "the incoming one is nobody else's")
        #expect(rig.attach(Rig.vm(7))?.attachment?.sni == Self.sni)
    }

    @Test func anAttachThatCameFirstWaitsForIt() throws {
        var rig = Rig.ready([])
        let early = rig.submitAttach(Rig.vm(7), timeout: .seconds(100))
        let other = rig.submitAttach(Rig.vm(8), timeout: .seconds(100))
        rig.settle()
        rig.delta(2, [Self.incoming(Rig.vm(7))])
        #expect(rig.replies[early]?.attachment?.sni == Self.sni)
        #expect(rig.replies[other] == nil && rig.standbyPorts == [Self.sni])
    }

    @Test func arrivalIsRepeatedUntilTheCoordinatorKnows() throws {
        var rig = Self.destination()
        _ = rig.attach(Rig.vm(7))
        rig.submitFirstFrame(Self.sni)
        rig.settle()
        rig.crash()
        rig.settle()
        #expect(rig.openPorts == [Self.sni], "it stays where it spoke")
        rig.sent = []
        rig.connect()
        #expect(Self.arrivals(rig) == [Epoch(5)])
        rig.snapshot(3, [Rig.lease(0x1000), Self.remote(Rig.block(0x2000), epoch: 2), Self.incoming(nil)])
        rig.feed(.disconnected)
        rig.sent = []
        rig.connect()
        #expect(Self.arrivals(rig).isEmpty)
        #expect(rig.openPorts == [Self.sni] && rig.problems.isEmpty)
    }

    @Test func standbyOutlivesARestart() {
        var rig = Self.destination()
        _ = rig.attach(Rig.vm(7))
        rig.crash()
        rig.settle()
        #expect(rig.standbyPorts == [Self.sni] && rig.openPorts.isEmpty)
    }

    @Test func anAbortTakesAVMThatHasNotSpoken() {
        var rig = Self.destination()
        _ = rig.attach(Rig.vm(7))
        rig.delta(2, [Self.incoming(Rig.vm(7), epoch: 6, marked: true, force: true)])
        #expect(rig.ports.isEmpty && rig.standbyPorts.isEmpty)
        rig.advance(.seconds(60))
        rig.settle()
        #expect(rig.drainAnswers == [DrainAnswer(block: Self.single, epoch: Epoch(6), outcome: .drained)])
        #expect(rig.problems.isEmpty)
    }

    @Test func anAbortDoesNotTakeAVMThatHas() {
        var rig = Self.destination()
        _ = rig.attach(Rig.vm(7))
        rig.submitFirstFrame(Self.sni)
        rig.settle()
        rig.delta(2, [Self.incoming(Rig.vm(7), epoch: 6, marked: true, force: true)])
        #expect(rig.openPorts == [Self.sni])
        #expect(
            rig.drainAnswers == [
                DrainAnswer(
                    block: Self.single, epoch: Epoch(6),
                    outcome: .refused(reason: "the VM has arrived", users: [Rig.vm(7)]))
            ])
    }

    @Test func theEndOfAMigratedVMDrainsLikeAnyOther() {
        var rig = Self.destination()
        _ = rig.attach(Rig.vm(7))
        rig.submitFirstFrame(Self.sni)
        rig.settle()
        rig.delta(2, [Self.incoming(nil, epoch: 5)])
        _ = rig.detach(Rig.vm(7))
        rig.advance(.seconds(60))
        rig.settle()
        let waiting = rig.submitAttach(Rig.vm(7), timeout: .seconds(1))
        rig.settle()
        #expect(rig.replies[waiting]?.attachment?.sni != Self.sni, "it goes home")
        rig.delta(3, [Self.incoming(nil, epoch: 7, marked: true)])
        #expect(rig.drainAnswers.last?.outcome == .drained)
        rig.delta(4, [.removeLease(Self.single, Epoch(8))])
        #expect(!rig.localBlocks.contains(Self.single) && rig.problems.isEmpty)
    }

    // MARK: Source

    @Test func theSourceServesUntilItHearsOfTheFlip() throws {
        var rig = Rig.ready()
        let sni = try #require(rig.attach(Rig.vm(1))?.attachment).sni
        rig.delta(2, [Self.departure(.preparing), Self.remote(Rig.block(0x1000, 1), epoch: 5, standby: true)])
        #expect(rig.openPorts == [sni] && rig.standbyRoutes == [Rig.block(0x1000, 1)])
        #expect(!rig.notices.contains(.remoteOverlapsLease(Rig.block(0x1000, 1))))
        rig.delta(3, [Self.departure(.flipped), Self.remote(Rig.block(0x1000, 1), epoch: 5)])
        #expect(rig.openPorts.isEmpty && rig.ports.isEmpty)
        #expect(rig.forwarded == [sni: Rig.block(0x1000)] && rig.standbyRoutes.isEmpty)
        #expect(rig.acknowledgements.last == Rig.position(3))
        // Neither its cooldown nor anything else makes it available here.
        rig.advance(.seconds(60))
        rig.settle()
        for number in 2...4 { #expect(rig.attach(Rig.vm(number))?.attachment?.sni != sni) }
        rig.delta(4, [Self.departure(.dropped)])
        #expect(rig.forwarded.isEmpty && rig.remoteBlocks == [Rig.block(0x1000, 1)])
        let waiting = rig.submitAttach(Rig.vm(5), timeout: .seconds(100))
        rig.settle()
        #expect(rig.replies[waiting] == nil)
        rig.delta(5, [.removeRemote(Rig.block(0x1000, 1), Epoch(9)), .removeDeparture(sni, Epoch(9))])
        #expect(rig.replies[waiting]?.attachment?.sni == sni)
        #expect(rig.problems.isEmpty)
    }

    @Test func forwardingOutlivesARestart() throws {
        for phase in [Departure.Phase.preparing, .flipped, .dropped] {
            var rig = Rig.ready()
            let sni = try #require(rig.attach(Rig.vm(1))?.attachment).sni
            rig.submitDelta(2, [Self.departure(phase), Self.remote(Rig.block(0x1000, 1), epoch: 5)])
            rig.stepJournal()
            rig.crash()
            rig.settle()
            #expect(rig.openPorts == (phase == .preparing ? [sni] : []), "\(phase)")
            #expect(rig.ports.isEmpty == (phase != .preparing), "\(phase)")
            #expect(rig.forwarded == (phase == .flipped ? [sni: Rig.block(0x1000)] : [:]), "\(phase)")
            #expect(rig.problems.isEmpty, "\(phase): \(rig.problems)")
        }
    }

    @Test func aMigrationThatIsTakenBackChangesNothingAtTheSource() throws {
        var rig = Rig.ready()
        let sni = try #require(rig.attach(Rig.vm(1))?.attachment).sni
        rig.delta(2, [Self.departure(.preparing), Self.remote(Rig.block(0x1000, 1), epoch: 5, standby: true)])
        rig.delta(3, [.removeRemote(Rig.block(0x1000, 1), Epoch(7)), .removeDeparture(sni, Epoch(7))])
        #expect(rig.openPorts == [sni] && rig.remoteBlocks.isEmpty && rig.forwarded.isEmpty)
        #expect(rig.attach(Rig.vm(1))?.attachment?.sni == sni)
    }

    /// Before the flip nothing has left: a VM that stops keeps its identifier, and may keep it for longer.
    @Test(arguments: [false, true]) func aVMThatStopsBeforeTheFlipIsHeld(flips: Bool) throws {
        var rig = Rig.ready()
        let sni = try #require(rig.attach(Rig.vm(1))?.attachment).sni
        rig.delta(2, [Self.departure(.preparing)])
        for _ in 0..<2 {
            _ = rig.detach(Rig.vm(1), hold: .seconds(100))
            #expect(HoldTests.held(rig) == [Rig.vm(1)])
        }
        if flips {
            rig.delta(3, [Self.departure(.flipped), Self.remote(Rig.block(0x1000, 1), epoch: 5)])
            #expect(HoldTests.held(rig) == [])
        } else {
            rig.delta(3, [.removeDeparture(sni, Epoch(7))])
            #expect(rig.attach(Rig.vm(1))?.attachment?.sni == sni)
        }
        #expect(rig.problems.isEmpty)
    }

    /// A restored book tells of the migration of a VM whose identifier came home since, and is another's.
    @Test func aStrangersDepartureTakesNoHold() throws {
        var rig = Rig.ready()
        let sni = try #require(rig.attach(Rig.vm(7))?.attachment).sni
        rig.delta(2, [Self.departure(.flipped), Self.remote(Rig.block(0x1000, 1), epoch: 5)])
        #expect(sni.rawValue == 0x1000 && rig.detach(Rig.vm(7), hold: .seconds(100)) == .success(.detached))
        #expect(rig.status?.bindings.first?.binding.state == .held)
        #expect(rig.attach(Rig.vm(7))?.attachment?.sni == sni && rig.problems.isEmpty)
    }

    @Test func aDepartedBlockDrainsWithoutTheVMThatLeft() throws {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        rig.delta(2, [Self.departure(.flipped), Self.remote(Rig.block(0x1000, 1), epoch: 5)])
        rig.advance(.seconds(60))
        rig.settle()
        rig.delta(3, [Rig.lease(0x1000, epoch: 6, marked: true)])
        #expect(rig.drainAnswers.last?.outcome == .drained)
        rig.delta(4, [.removeLease(Rig.block(0x1000), Epoch(7))])
        #expect(rig.forwarded.isEmpty && rig.localBlocks.isEmpty && rig.problems.isEmpty)
    }

    @Test func staleDeparturesAreRefused() throws {
        var rig = Rig.ready()
        let sni = try #require(rig.attach(Rig.vm(1))?.attachment).sni
        rig.delta(2, [Self.departure(.preparing, epoch: 5)])
        rig.delta(3, [Self.departure(.flipped, epoch: 4), .removeDeparture(sni, Epoch(4))])
        #expect(rig.openPorts == [sni])
        _ = rig.detach(Rig.vm(1))
        rig.advance(.seconds(60))
        rig.settle()
        for number in 2...4 { #expect(rig.attach(Rig.vm(number))?.attachment?.sni != sni) }
    }

    @Test func reportsCarryThePositionOfTheKernel() {
        var rig = Rig.ready()
        rig.feed(.hostReport(HostReport(kernel: KernelInventory(localVNIs: [SessionNetworkID(unchecked: 0x1000)]))))
        rig.submitDelta(2, [Rig.lease(0x1004)])
        rig.feed(.hostReport(HostReport(kernel: KernelInventory())))
        rig.settle()
        rig.feed(.hostReport(HostReport(kernel: KernelInventory())))
        let positions = rig.sent.compactMap {
            if case .hostReport(let report) = $0 { report.kernel?.position } else { nil }
        }
        #expect(positions == [Rig.position(1), Rig.position(1), Rig.position(2)])
    }
}

extension Rig {
    mutating func submitFirstFrame(_ sni: SessionNetworkID) { feed(.firstFrame(sni)) }
}
