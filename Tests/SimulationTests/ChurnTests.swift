import NetworkTypes
import SNISpace
import Testing

@testable import FleetSimulation

@Suite("Churn: bookkeeping")
struct ChurnTests {
    private static func plan(seed: UInt64 = 3, days: Int = 2) -> ChurnPlan {
        var plan = ChurnPlan(seed: seed, days: days, hosts: 8, applications: 6)
        // More outages and drift than usual, so that two days meet both.
        plan.timing.unreachableShare = 0.05
        plan.mix.drift = 0.5
        return plan
    }

    /// The identifiers of every live VM by seat, from the scheme's own map of VMs.
    private func bySeat(_ simulation: ChurnSimulation, _ scheme: ChurnScheme) -> [Int: Set<UInt32>] {
        var result: [Int: Set<UInt32>] = [:]
        for (vm, place) in simulation.random.bound.enumerated() {
            guard let seat = place?.seat else { continue }
            let sni: UInt32? =
                switch scheme {
                case .locality: simulation.locality.identifiers[vm]?.rawValue
                case .shuffled: simulation.shuffled.bound[vm]?.sni
                case .random: simulation.random.bound[vm]?.sni
                }
            guard let sni else {
                Issue.record("VM \(vm) lives and \(scheme) knows no identifier of it")
                continue
            }
            #expect(result[seat, default: []].insert(sni).inserted, "\(scheme): \(sni) twice at seat \(seat)")
        }
        return result
    }

    @Test func everyVMHasOneIdentifierOfItsOwn() throws {
        var simulation = try ChurnSimulation(Self.plan())
        for _ in 0..<16 {
            for _ in 0..<180 { try simulation.step() }
            let vms = simulation.workload.loads.reduce(0, +)
            for scheme in ChurnScheme.allCases {
                let seats = bySeat(simulation, scheme)
                var all: Set<UInt32> = []
                for set in seats.values { all.formUnion(set) }
                #expect(all.count == vms, "\(scheme) at \(simulation.now)")
                #expect(seats.allSatisfy { simulation.workload.loads[$0.key] == $0.value.count })
            }
        }
    }

    /// A block is staged in the book exactly from when its host was told; only launches before that are said to wait.
    @Test func blocksAreStagedInTime() throws {
        var simulation = try ChurnSimulation(Self.plan(seed: 11, days: 1))
        for _ in 0..<24 {
            for _ in 0..<60 { try simulation.step() }
            for held in simulation.locality.states.flatMap(\.blocks) where held.standing != .marked {
                let lease = try #require(simulation.locality.book.lease(of: held.block))
                #expect(lease.state == (held.stagedAt <= simulation.now ? .staged : .leased))
            }
        }
        let counts = simulation.locality.counts
        #expect(counts.waits > 0 && counts.waits < counts.launches / 20)
        #expect(counts.waited > .zero && counts.waitMax < simulation.plan.timing.detection + .seconds(1))
    }

    /// Mean load where a VM counts, not a host, from the VMs themselves.
    @Test func theTypicalLoadIsThatAroundAVM() throws {
        var simulation = try ChurnSimulation(Self.plan(seed: 12, days: 1))
        for _ in 0..<900 { try simulation.step() }
        for application in 0..<simulation.plan.applications {
            let loads = simulation.workload.seats.indices
                .filter { simulation.workload.seats[$0].application == application }
                .map { simulation.workload.loads[$0] }
            let mean = Double(loads.reduce(0) { $0 + $1 * $1 }) / Double(max(1, loads.reduce(0, +)))
            #expect(abs(simulation.locality.typical(application) - mean) < 1e-9)
        }
    }

    /// Every launch that does not outlive the run stops exactly once, at its place, in order of time.
    @Test func everyLifeEndsOnce() {
        var plan = Self.plan(seed: 8, days: 1)
        plan.mix.shares = [0, 0, 1, 0]
        var workload = ChurnWorkload(plan)
        var live: [Int: Int] = [:]
        var (launches, last) = (0, Instant(nanoseconds: 0))
        var oldest: [Int: Instant] = [:]
        for _ in 0..<1440 {
            for event in workload.nextMinute() {
                #expect(event.at >= last)
                last = event.at
                switch event.kind {
                case .launch:
                    launches += 1
                    #expect(live.updateValue(event.seat, forKey: event.vm) == nil)
                    oldest[event.vm] = event.at
                case .stop:
                    #expect(live.removeValue(forKey: event.vm) == event.seat)
                }
            }
        }
        #expect(live.count == workload.loads.reduce(0, +) && launches > 20 * live.count)
        // Jobs live for half an hour at most in the mean: nobody is forty means old.
        #expect(live.keys.allSatisfy { last - (oldest[$0] ?? last) < .seconds(40 * 1800) / 2 })
    }

    @Test func blocksCoverTheirVMsAndNobodyElses() throws {
        var simulation = try ChurnSimulation(Self.plan(seed: 4))
        for _ in 0..<12 {
            for _ in 0..<240 { try simulation.step() }
            let seats = bySeat(simulation, .locality)
            var owner: [UInt32: Int] = [:]
            for (seat, state) in simulation.locality.states.enumerated() {
                var bound = 0
                for held in state.blocks {
                    let lease = try #require(simulation.locality.book.lease(of: held.block))
                    #expect(lease.epoch == held.epoch)
                    for sni in held.block.identifiers {
                        #expect(owner.updateValue(seat, forKey: sni.rawValue) == nil, "\(sni) is leased twice")
                    }
                    bound += held.bound
                }
                #expect(bound == seats[seat]?.count ?? 0)
            }
            for (seat, set) in seats { #expect(set.allSatisfy { owner[$0] == seat }) }
            // Conservation: what the book counts is what hosts hold and what rests or waits on its way back.
            let holdings = simulation.locality.book.holdings
            let held = simulation.locality.states.flatMap(\.blocks).reduce(0) { $0 + $1.block.size }
            #expect(holdings.owned == holdings.reserved + holdings.leased + holdings.reclaiming + holdings.quarantined)
            #expect(holdings.leased <= held && held <= holdings.leased + holdings.reclaiming)
        }
    }

    @Test func prefixesHoldExactlyTheVMs() throws {
        var simulation = try ChurnSimulation(Self.plan(seed: 5, days: 1))
        for _ in 0..<700 { try simulation.step() }
        for scheme in [ChurnScheme.shuffled, .random] {
            let tables = simulation.tables(of: scheme)
            let seats = bySeat(simulation, scheme)
            for seat in simulation.workload.seats.indices {
                #expect(tables.prefixes[seat] == naiveCover(seats[seat] ?? []), "\(scheme), seat \(seat)")
                #expect(tables.bound[seat] == seats[seat]?.count ?? 0)
            }
            for application in 0..<simulation.plan.applications {
                var all: Set<UInt32> = []
                for (seat, set) in seats where simulation.workload.seats[seat].application == application {
                    all.formUnion(set)
                }
                #expect(tables.extents[application] == all.filter { !all.contains($0 &- 1) }.count)
            }
        }
    }

    /// Merges buddies until none is left: exponentially slower than counting, and obviously right.
    private func naiveCover(_ set: Set<UInt32>) -> Int {
        var (whole, count) = (set, 0)
        while !whole.isEmpty {
            let parents = Set(whole.filter { whole.contains($0 ^ 1) }.map { $0 >> 1 })
            count += whole.filter { !whole.contains($0 ^ 1) }.count
            whole = parents
        }
        return count
    }

    @Test func aSampleIsWhatEveryHostCounts() throws {
        var simulation = try ChurnSimulation(Self.plan(seed: 6, days: 1))
        for _ in 0..<600 { try simulation.step() }
        for scheme in ChurnScheme.allCases {
            let (tables, seats) = (simulation.tables(of: scheme), simulation.workload.seats)
            let sample = ChurnSample(tables, seats: seats, hosts: 8, at: simulation.now)
            var (routes, elements) = (0, 0)
            for host in 0..<8 {
                for (seat, place) in seats.enumerated() where place.host == host && tables.prefixes[seat] > 0 {
                    elements += tables.extents[place.application] * tables.extents[place.application]
                    elements += tables.bound[seat]
                    for (other, remote) in seats.enumerated()
                    where remote.application == place.application && remote.host != host {
                        routes += tables.prefixes[other]
                    }
                }
            }
            #expect(abs(sample.routesMean - Double(routes) / 8) < 1e-9)
            #expect(abs(sample.elementsMean - Double(elements) / 8) < 1e-9)
        }
    }

    @Test func theSameSeedGivesTheSameRun() throws {
        var first = try ChurnSimulation(Self.plan(days: 1))
        var second = try ChurnSimulation(Self.plan(days: 1))
        var other = try ChurnSimulation(Self.plan(seed: 9, days: 1))
        let one = try first.run()
        #expect(try second.run() == one)
        #expect(first.samples == second.samples)
        #expect(try other.run() != one)
    }

    @Test func localityNeedsLeast() throws {
        var simulation = try ChurnSimulation(Self.plan(seed: 7))
        let summary = try simulation.run()
        #expect(summary[.locality].routes * 3 < summary[.random].routes)
        #expect(summary[.locality].elements * 10 < summary[.random].elements)
        #expect(summary[.locality].extents < summary[.shuffled].extents)
        #expect(summary[.shuffled].routes <= summary[.random].routes)
        #expect(summary[.random].waste == 0)
        #expect(summary[.locality].waste > 0 && summary[.locality].waste < 0.6)
        #expect(summary.scaleIn.freed > 0)
    }
}
