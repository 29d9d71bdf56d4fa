import AgentCore
import Dataplane
import FleetProtocol
import NetworkTypes
import Testing

extension Rig {
    /// The process dies, and the next one finds only the first records of its journal good.
    mutating func crash(good: Int) {
        let entries = Array(disk.prefix(good))
        let found = ports.values.sorted { $0.sni < $1.sni }
        let record = JournalRecord.checkpoint(.salvaged(from: entries, kernelPorts: found))
        disk = [JournalEntry(sequence: UInt64(good) + 1, record: record)]
        crash()
    }

    mutating func resolve() -> Result<AgentReply, AgentError>? {
        let id = request()
        feed(.resolveRecovery(id))
        settle()
        return replies[id]
    }
}

/// Starting from the good part of a damaged journal.
@Suite struct SalvageTests {
    /// A host with two VMs, one stopped that keeps its identifier, one whose port has not come yet, and one that is gone.
    private static func lived() -> Rig {
        var rig = Rig.ready([Rig.lease(0x1000, size: 8)])
        for number in 1...3 { _ = rig.attach(Rig.vm(number)) }
        _ = rig.detach(Rig.vm(2), hold: .seconds(3600))
        _ = rig.attach(Rig.vm(4), port: .later)
        _ = rig.detach(Rig.vm(3))
        rig.advance(.seconds(60))
        rig.settle()
        _ = rig.attach(Rig.vm(5))
        return rig
    }

    private static var records: Int { lived().disk.count }

    /// Wherever the good part ends: what runs stays, nothing is written before the coordinator's word, nothing is bound
    /// before the operator's, and then only what nobody can have and has rested.
    @Test(arguments: 0...Self.records) func whateverIsLostIsNotGuessed(good: Int) throws {
        var rig = Self.lived()
        let ports = rig.ports
        let overlays = rig.overlays.count
        rig.crash(good: good)
        #expect(rig.kernelQueue.allSatisfy { if case .dataplane = $0 { true } else { false } })
        rig.settle()
        #expect(rig.ports == ports && rig.openPorts.isEmpty && rig.remoteBlocks.isEmpty)
        #expect(rig.overlays.count == overlays, "nothing is compared with the kernel yet")
        #expect(rig.attach(Rig.vm(6))?.error == .recovering)
        rig.connect()
        #expect(rig.hellos.last?.recovering == true && rig.overlays.last == .nothing)
        rig.snapshot(2, [Rig.lease(0x1000, size: 8)])
        #expect(rig.ports == ports && rig.openPorts == Set(ports.keys))
        #expect(rig.attach(Rig.vm(6))?.error == .recovering)
        rig.crash()
        rig.settle()
        #expect(rig.attach(Rig.vm(6))?.error == .recovering, "for the next process, too")
        rig.connect()
        rig.snapshot(2, [Rig.lease(0x1000, size: 8)])
        #expect(rig.resolve()?.error == nil)
        let waiting = rig.submitAttach(Rig.vm(6), timeout: .seconds(100))
        rig.settle()
        #expect(rig.replies[waiting] == nil, "everything rests")
        rig.advance(.seconds(60))
        rig.settle()
        let next = try #require(rig.replies[waiting]?.attachment?.sni)
        #expect(ports[next] == nil)
        let owners = (rig.status?.bindings ?? []).filter { $0.binding.state != .cooling }
        #expect(Set(owners.map(\.binding.interface)).count == owners.count)
        #expect(rig.problems.isEmpty, "\(rig.problems)")
    }

    /// What only this journal knew, and nothing contradicts.
    @Test func promisesToVMsWithoutAPortAreKept() throws {
        var rig = Self.lived()
        let promised = Dictionary(
            uniqueKeysWithValues: (rig.status?.bindings ?? []).map { ($0.binding.interface, $0.binding.sni) })
        rig.crash(good: rig.disk.count)
        rig.settle()
        rig.connect()
        rig.snapshot(2, [Rig.lease(0x1000, size: 8)])
        _ = rig.resolve()
        rig.advance(.seconds(60))
        rig.settle()
        for number in [2, 4] {
            let again = rig.attach(Rig.vm(number), port: .later)?.attachment?.sni
            #expect(again == promised[Rig.vm(number)], "VM \(number)")
        }
        #expect(rig.problems.isEmpty)
    }

    /// The good part is old: the kernel has its interface, or its identifier, somewhere else.
    @Test func theKernelIsRightAboutWhatRuns() throws {
        var rig = Rig.ready([Rig.lease(0x1000, size: 8)])
        let held = try #require(rig.attach(Rig.vm(1))?.attachment).sni
        _ = rig.detach(Rig.vm(1), hold: .seconds(3600))
        let good = rig.disk.count
        _ = rig.detach(Rig.vm(1))
        rig.advance(.seconds(60))
        rig.settle()
        let elsewhere = try #require(rig.attach(Rig.vm(1))?.attachment).sni
        #expect(elsewhere != held)
        rig.crash(good: good)
        rig.settle()
        rig.connect()
        rig.snapshot(2, [Rig.lease(0x1000, size: 8)])
        let bindings = rig.status?.bindings ?? []
        #expect(bindings.map(\.binding.sni) == [elsewhere] && bindings.first?.binding.interface == Rig.vm(1))
        #expect(rig.resolve()?.error == nil && rig.problems.isEmpty)
    }

    /// Its block went with the lost part: the promise ends, and keeps nothing.
    @Test func aPromiseOutsideOfEveryLeaseEndsWithTheRecovery() throws {
        var rig = Rig.ready([Rig.lease(0x1000), Rig.lease(0x2000)])
        _ = rig.attach(Rig.vm(1))
        _ = rig.detach(Rig.vm(1), hold: .seconds(3600))
        let sni = try #require(rig.status?.bindings.first).binding.sni
        let left = sni.rawValue < 0x2000 ? Rig.lease(0x2000) : Rig.lease(0x1000)
        rig.crash(good: rig.disk.count)
        rig.connect()
        rig.snapshot(2, [left])
        #expect(rig.status?.bindings.map(\.binding.state) == [.held])
        #expect(rig.resolve()?.error == nil)
        rig.advance(.seconds(60))
        rig.settle()
        rig.advance(.seconds(60))
        rig.settle()
        #expect(rig.status?.bindings.isEmpty == true && rig.problems.isEmpty)
        #expect(rig.attach(Rig.vm(1))?.attachment?.sni != sni)
    }

    /// Which boot the end of a journal is of, whatever says so.
    @Test func theBootOfTheEndIsThatOfTheLastWord() {
        var rig = Rig.ready()
        #expect(JournalEntry.lastBoot(in: rig.disk) == rig.identity.boot)
        let whole = JournalEntry(sequence: 1, record: .checkpoint(rig.replayedWhole))
        #expect(JournalEntry.lastBoot(in: [whole]) == rig.identity.boot)
        #expect(JournalEntry.lastBoot(in: []) == nil)
        let boot = BootID(UUID128(high: 3, low: 3))
        rig.disk.append(JournalEntry(sequence: 99, record: .contact(boot, rig.now)))
        #expect(JournalEntry.lastBoot(in: rig.disk) == boot)
    }
}

extension Rig {
    /// The checkpoint that the machine itself would write.
    fileprivate var replayedWhole: Checkpoint {
        var copy = Rig.ready(recordsPerCheckpoint: 1)
        _ = copy.attach(Rig.vm(1))
        for case .checkpoint(let whole) in copy.disk.map(\.record) { return whole }
        return Checkpoint()
    }
}
