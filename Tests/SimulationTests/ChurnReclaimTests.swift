import NetworkTypes
import SimulationKit
import Testing

@testable import FleetSimulation

@Suite("Churn: reclamation")
struct ChurnReclaimTests {
    private let zero = Instant(nanoseconds: 0)

    @Test func restsLastAndTheLongestUnusedComesFirst() throws {
        let block = try #require(SNIBlock(first: SessionNetworkID(unchecked: 4096), size: 4))
        var held = HeldBlock(block: block, epoch: Epoch(1), stagedAt: zero, at: zero)
        let bound = held.bind(at: zero)
        let first = try #require(bound)
        held.unbind(first, cooldown: .seconds(60), at: zero + .seconds(1))
        #expect(held.ready(at: zero + .seconds(60)) == 3)
        for number in 1...3 { #expect(held.bind(at: zero + .seconds(2))?.rawValue == 4096 + UInt32(number)) }
        #expect(held.bind(at: zero + .seconds(60)) == nil)
        #expect(held.cooling(at: zero + .seconds(60)) == 1)
        #expect(held.bind(at: zero + .seconds(61)) == first)
        #expect(held.emptySince == nil)
    }

    @Test func outagesHoldTheirShare() {
        let timing = ReclaimTiming()
        let end = zero + .seconds(86_400 * 20)
        let outages = Outages(hosts: 200, until: end, timing: timing, generator: SeededGenerator(seed: 2))
        var down = 0
        for hour in 0..<480 {
            let now = zero + .seconds(3600 * hour)
            down += (0..<200).count { outages.outage(of: $0, at: now) != nil }
        }
        let share = Double(down) / (200 * 480)
        #expect(abs(share - timing.unreachableShare) < 0.004, "\(share)")
    }

    @Test func everyStepWaitsForTheOneBefore() throws {
        var timing = ReclaimTiming()
        timing.unreachableShare = 0
        let outages = Outages(hosts: 4, until: zero, timing: timing, generator: SeededGenerator(seed: 1))
        var reclaimer = Reclaimer(timing: timing, outages: outages, hosts: 4, generator: SeededGenerator(seed: 1))
        let block = try #require(SNIBlock(first: SessionNetworkID(unchecked: 4096), size: 16))
        reclaimer.mark(block, epoch: Epoch(1), seat: 0, owner: 0, at: zero)
        let first = reclaimer.next(until: zero + .seconds(1))
        let drained = try #require(first)
        #expect(drained.step == .drained && drained.at > zero + timing.hostWork)
        reclaimer.remove(block, epoch: Epoch(2), seat: 0, owner: 0, peers: [0, 1, 2], at: drained.at)
        let second = reclaimer.next(until: zero + .seconds(1))
        let removed = try #require(second)
        #expect(removed.step == .removed && removed.at > drained.at + timing.hostWork)
        reclaimer.quarantine(block, epoch: Epoch(2), seat: 0, at: removed.at)
        #expect(reclaimer.next(until: removed.at + .seconds(59)) == nil)
        #expect(reclaimer.next(until: removed.at + .seconds(60))?.step == .freed)
        #expect(reclaimer.debtTotal == 0)
    }

    @Test func unreachablePeersOweAndDoNotDelayForLong() throws {
        var timing = ReclaimTiming()
        timing.unreachableShare = 1 - 1e-9
        timing.outageMean = .seconds(1_000_000)
        let outages = Outages(hosts: 4, until: zero + .seconds(1), timing: timing, generator: SeededGenerator(seed: 1))
        var reclaimer = Reclaimer(timing: timing, outages: outages, hosts: 4, generator: SeededGenerator(seed: 1))
        let block = try #require(SNIBlock(first: SessionNetworkID(unchecked: 4096), size: 16))
        // The owner is no peer here: only the others' acknowledgements are in question.
        reclaimer.remove(block, epoch: Epoch(2), seat: 0, owner: 9, peers: [1, 2, 3], at: zero)
        let step = reclaimer.next(until: zero + timing.detection + .seconds(1))
        let removed = try #require(step)
        #expect(removed.at >= zero + timing.detection)
        #expect(reclaimer.debtTotal == 3 && reclaimer.debtPeak == 1)
    }

    @Test func aBlockIsStagedWhenEveryPeerCarriesIt() throws {
        var timing = ReclaimTiming()
        timing.unreachableShare = 0
        let outages = Outages(hosts: 4, until: zero, timing: timing, generator: SeededGenerator(seed: 1))
        var reclaimer = Reclaimer(timing: timing, outages: outages, hosts: 4, generator: SeededGenerator(seed: 1))
        let block = try #require(SNIBlock(first: SessionNetworkID(unchecked: 4096), size: 16))
        let staged = reclaimer.stage(block, epoch: Epoch(1), seat: 0, peers: [0, 1, 2, 3], at: zero)
        #expect(staged > zero + timing.hostWork && staged < zero + .milliseconds(100))
        #expect(reclaimer.next(until: staged + .nanoseconds(-1)) == nil)
        let next = reclaimer.next(until: staged)
        let step = try #require(next)
        #expect(step.step == .staged && step.at == staged && step.block == block)
        #expect(reclaimer.debtTotal == 0)
    }

    /// A peer that fell silent is waited for until that is noticed, and no longer.
    @Test func stagingWaitsForASilentPeerUntilItIsNoticed() throws {
        var timing = ReclaimTiming()
        timing.unreachableShare = 1 - 1e-9
        timing.outageMean = .seconds(1_000_000)
        let outages = Outages(hosts: 2, until: zero + .seconds(1), timing: timing, generator: SeededGenerator(seed: 1))
        var reclaimer = Reclaimer(timing: timing, outages: outages, hosts: 2, generator: SeededGenerator(seed: 1))
        let block = try #require(SNIBlock(first: SessionNetworkID(unchecked: 4096), size: 16))
        let first = reclaimer.stage(block, epoch: Epoch(1), seat: 0, peers: [1], at: zero)
        #expect(first >= zero + timing.detection)
        let noticed = zero + timing.detection + .seconds(1)
        let second = reclaimer.stage(block, epoch: Epoch(1), seat: 0, peers: [1], at: noticed)
        #expect(second < noticed + .milliseconds(100))
    }

    @Test func theSlopeOfALine() {
        let line = ChurnSummary.Row.slope((0..<20).map { (Double($0), 3 + 0.25 * Double($0)) })
        #expect(abs(line.slope - 0.25) < 1e-12 && line.error < 1e-9)
        let noisy = ChurnSummary.Row.slope((0..<20).map { (Double($0), $0 % 2 == 0 ? 1 : -1) })
        #expect(noisy.slope.magnitude < 2 * noisy.error)
    }

    @Test(arguments: [(0.0, "0.00"), (1.005, "1.00"), (2.5, "2.50"), (-0.126, "-0.13"), (1234.999, "1235.00")])
    func numbersAreRounded(value: Double, text: String) { #expect(fixed(value, 2) == text) }
}
