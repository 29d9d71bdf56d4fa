import Forecasting
import SimulationKit
import Testing

@testable import Allocation

@Suite("Marginal value: decisions")
struct MarginalAllocatorTests {
    /// One tick of somebody's demand: launches and stops with their times.
    private struct Tick {
        var events: [(offset: Double, delta: Int)] = []
    }

    private func ticks(_ count: Int, _ generator: inout SeededGenerator) -> [Tick] {
        var running = 0
        return (0..<count).map { index in
            var tick = Tick()
            let isBusy = index % 288 < 100
            var offset = 0.0
            for _ in 0..<generator.poisson(mean: isBusy ? 4 : 0.5) {
                offset += generator.exponential(mean: 20)
                guard offset < 300 else { break }
                let isLaunch = running == 0 || generator.chance(0.5)
                let size = generator.chance(0.02) ? 30 : 1
                let delta = isLaunch ? size : -min(size, running)
                running += delta
                tick.events.append((offset, delta))
            }
            return tick
        }
    }

    private func decisions(
        _ ticks: [Tick], _ policy: MarginalPolicy, _ allocator: inout MarginalAllocator
    ) -> [MarginalDecision] {
        ticks.map { tick in
            for event in tick.events {
                if event.delta > 0 {
                    allocator.launch(event.delta, at: event.offset)
                } else {
                    allocator.stop(-event.delta, at: event.offset)
                }
            }
            return allocator.endTick(policy, constants: .shipped)
        }
    }

    @Test func theFutureChangesNothingBeforeIt() throws {
        let policy = try MarginalPolicy(costRatio: 10)
        try property("causality", iterations: 4) { generator in
            let past = ticks(1200, &generator)
            var quiet = MarginalAllocator()
            var burst = MarginalAllocator()
            let calm = past + Array(repeating: Tick(), count: 50)
            let wild = past + Array(repeating: Tick(events: [(0, 500), (299, -500)]), count: 50)
            let (a, b) = (decisions(calm, policy, &quiet), decisions(wild, policy, &burst))
            try hold(Array(a[..<1200]) == Array(b[..<1200]), "a decision knew what came after it")
            try hold(a.last != b.last, "five hundred launches in a row change nothing")
        }
    }

    @Test func theSamePastGivesTheSameState() throws {
        let policy = try MarginalPolicy(costRatio: 20)
        var generator = SeededGenerator(seed: 11)
        let past = ticks(600, &generator)
        var first = MarginalAllocator()
        var second = MarginalAllocator()
        #expect(decisions(past, policy, &first) == decisions(past, policy, &second))
        #expect(first == second)
        #expect(first.hashValue == second.hashValue)
    }

    /// Bytes of all arrays below a value with their headers, found by looking, not by what it says.
    private func arrays(_ value: Any) -> Int {
        let mirror = Mirror(reflecting: value)
        guard mirror.displayStyle == .collection else {
            return mirror.children.map { arrays($0.value) }.reduce(0, +)
        }
        guard let first = mirror.children.first else { return 0 }
        return 32 + mirror.children.count * stride(first.value)
    }

    private func stride(_ element: Any) -> Int {
        func size<T>(_: T) -> Int { MemoryLayout<T>.stride }
        return _openExistential(element, do: size)
    }

    @Test func theStateStaysBelowEightKilobytes() throws {
        let policy = try MarginalPolicy(costRatio: 300)
        var allocator = MarginalAllocator()
        var generator = SeededGenerator(seed: 2)
        for step in 0..<3000 {
            allocator.launch(generator.integer(in: 0...3000), at: 5)
            allocator.stop(generator.integer(in: 0...3000), at: 200)
            let decision = allocator.endTick(policy, constants: .shipped)
            #expect(decision.target >= 0 && decision.extra >= 0)
            guard step % 500 == 0 else { continue }
            let found = MemoryLayout<MarginalAllocator>.size + arrays(allocator)
            #expect(found <= 8192)
            #expect(found == allocator.bytes)
        }
    }

    /// A batch is told of in pieces: one per rank that a floor could have, and the rest at once.
    @Test func aBatchOfAnySizeIsBoundedWork() {
        for size in [1, 10, 1000, 1_000_000, Int(Int32.max)] {
            var demand = MarginalDemand(inUse: 50)
            demand.stop(20)
            var pieces = 0
            var told = 0
            demand.launch(size, at: 1, lead: 10) { count, _, _ in
                pieces += 1
                told += count
            }
            #expect(told == size)
            #expect(pieces <= LaunchRanks.servers + 2)
            #expect(demand.inUse == 30 + size)
        }
    }

    @Test func whatStoppedInThisTickNeedsNoFloor() {
        var demand = MarginalDemand(inUse: 5)
        demand.stop(2)
        var ranks: [Int] = []
        for _ in 0..<4 { demand.launch(1, at: 10, lead: 10) { _, _, rank in ranks.append(rank) } }
        #expect(ranks == [65, 65, 1, 2])
        #expect(demand.rankCounts == [0, 1, 1, 0, 0, 0, 0, 0])
    }

    @Test func floorAndCapAreKept() throws {
        try property("bounds", iterations: 30) { generator in
            let floor = generator.integer(in: 0...20)
            let cap = floor + generator.integer(in: 0...40)
            let policy = try MarginalPolicy(
                costRatio: generator.logUniform(in: 0.1...1000), floor: floor, cap: generator.chance(0.7) ? cap : nil)
            var allocator = MarginalAllocator()
            for decision in decisions(ticks(300, &generator), policy, &allocator) {
                try hold(decision.target >= 0 && decision.extra >= 0, "\(decision)")
                if let cap = policy.cap {
                    try hold(decision.target <= cap, "\(decision) with a cap of \(cap)")
                    try hold(decision.extra <= max(0, cap - decision.inUse), "\(decision) with a cap of \(cap)")
                } else {
                    try hold(decision.extra >= floor && decision.target >= decision.inUse, "\(decision)")
                }
            }
            allocator.stop(1_000_000, at: 1)
            try hold(allocator.demand.inUse == 0, "less than nothing runs")
        }
    }

    @Test func contradictionsAreRefused() throws {
        #expect(throws: MarginalError.floor(5, cap: 4)) { try MarginalPolicy(costRatio: 10, floor: 5, cap: 4) }
        #expect(throws: MarginalError.floor(-1, cap: nil)) { try MarginalPolicy(costRatio: 10, floor: -1) }
        #expect(throws: MarginalError.costRatio(0)) { try MarginalPolicy(costRatio: 0) }
        #expect(throws: MarginalError.self) { try MarginalPolicy(costRatio: .nan) }
        #expect(throws: MarginalError.costRatio(.infinity)) { try MarginalPolicy(costRatio: .infinity) }
        #expect(throws: MarginalError.tick(5, lead: 1)) { try MarginalSettings(tick: 5, lead: 1) }
        #expect(throws: MarginalError.tick(60, lead: 61)) { try MarginalSettings(tick: 60, lead: 61) }
        #expect(throws: MarginalError.self) { try MarginalSettings(tick: .nan) }
        #expect(try MarginalSettings(tick: 60).length == 0.2)
    }

    @Test func hostileConstantsAreRefused() {
        let floors = MarginalConstants.shipped.floors
        let levels = MarginalConstants.shipped.levels
        #expect(throws: MarginalError.count(name: "floors", found: 0, needed: floors.count)) {
            try MarginalConstants(floors: [], levels: levels, leaning: 0)
        }
        #expect(throws: MarginalError.count(name: "levels", found: levels.count + 1, needed: levels.count)) {
            try MarginalConstants(floors: floors, levels: levels + [0], leaning: 0)
        }
        for bad in [Float.nan, .infinity, -.infinity, 101] {
            #expect(throws: MarginalError.self) {
                try MarginalConstants(floors: floors, levels: [bad] + levels.dropFirst(), leaning: 0)
            }
            #expect(throws: MarginalError.self) {
                try MarginalConstants(floors: floors, levels: levels, leaning: bad)
            }
        }
        #expect(throws: Never.self) {
            try MarginalConstants(floors: floors, levels: levels, leaning: MarginalConstants.shipped.leaning)
        }
    }

    @Test func aDecisionCanBeExplained() throws {
        let policy = try MarginalPolicy(costRatio: 20)
        var generator = SeededGenerator(seed: 9)
        var allocator = MarginalAllocator()
        let made = decisions(ticks(2000, &generator), policy, &allocator)
        let last = try #require(made.last { $0.extra > 0 })
        let explained = allocator.explanation(policy, constants: .shipped)
        let decision = try #require(made.last)
        #expect(explained.price == decision.price)
        #expect(explained.experts.count == 30)
        #expect(explained.experts.map(\.score).max() == decision.expert.score)
        #expect(explained.experts.contains(decision.expert))
        #expect(explained.floors.map(\.last) == [1, 2, 4, 8, 16, 32, 64])
        #expect(explained.levels.count == 24)
        #expect(explained.floors.contains { $0.pooled != $0.corrected })
        #expect(last.lastOfFloor != nil)
        if let rate = decision.lastOfFloor { #expect(rate > decision.price) }
        // The correction after a decision is that of the next one: the rates at the margin are the ones decided from.
        if let rate = decision.nextLevel { #expect(explained.levels.contains { $0.corrected == rate }) }
    }

    /// The same demand in ticks of one minute: rates and prices refer to time, not to ticks.
    @Test func aMinuteIsATickToo() throws {
        let policy = try MarginalPolicy(costRatio: 20)
        let settings = try MarginalSettings(tick: 60)
        var coarse = MarginalAllocator()
        var fine = MarginalAllocator(settings: settings)
        var sums = (coarse: 0, fine: 0)
        for tick in 0..<1500 {
            for minute in 0..<5 {
                let isLaunch = (tick * 5 + minute) % 3 == 0
                for (offset, delta) in isLaunch ? [(5.0, 2), (50.0, -2)] : [] {
                    let later = offset + Double(60 * minute)
                    if delta > 0 { coarse.launch(delta, at: later) } else { coarse.stop(-delta, at: later) }
                    if delta > 0 { fine.launch(delta, at: offset) } else { fine.stop(-delta, at: offset) }
                }
                sums.fine += fine.endTick(policy, constants: .shipped).target
            }
            sums.coarse += coarse.endTick(policy, constants: .shipped).target
        }
        #expect(sums.coarse >= 1500)
        #expect(Double(sums.fine) / 5 > 0.5 * Double(sums.coarse))
        #expect(Double(sums.fine) / 5 < 3 * Double(sums.coarse))
        #expect(fine.demand.season.written == 1500)
    }
}
