import SimulationKit
import Testing

@testable import Forecasting

@Suite("Parts of a series forecaster")
struct SeriesPartsTests {
    @Test func packedNumbersAreNearAndOrdered() throws {
        try property("packed", iterations: 300) { generator in
            let value = Float(generator.logUniform(in: 1e-5...1e9))
            let back = PackedFloat.unpack(PackedFloat.pack(value))
            try hold(abs(back - value) <= value / 2048, "\(value) became \(back)")
            try hold(PackedFloat.pack(value * 1.01) > PackedFloat.pack(value), "order at \(value)")
        }
        #expect(PackedFloat.pack(0) == 0)
        #expect(PackedFloat.unpack(PackedFloat.pack(1e-9)) == 0)
    }

    @Test func residualsLieInTheirBins() throws {
        try property("bins", iterations: 300) { generator in
            let residual = Float(generator.normal() * 3)
            let bin = ResidualGrid.bin(of: residual)
            try hold((bin > ResidualGrid.side) == (residual >= 0.05), "\(residual) in \(bin)")
            try hold(ResidualGrid.bin(of: -residual) == ResidualGrid.count - 1 - bin, "sides differ at \(residual)")
        }
        #expect(ResidualGrid.bin(of: 1e30) == ResidualGrid.count - 1)
        #expect(ResidualGrid.quantiles(.init(repeating: 0)) == SIMD8())
    }

    @Test(arguments: [8, 24, 48, 96, 288, 1440])
    func leadsFitEveryResolution(day: Int) throws {
        let plan = SeriesPlan(try SeriesConfiguration(samplesPerDay: day))
        #expect(plan.leads.first?.ticks == 1)
        #expect(plan.leads.last?.ticks == day)
        for lead in plan.leads {
            #expect(lead.ticks < SeriesForecaster.recentCount || lead.ticks % plan.grain == 0)
            #expect(lead.issueEvery * lead.pendingSlots >= lead.ticks)
            #expect(lead.issueEvery % lead.stride == 0)
        }
    }

    /// CPU goes ahead of the series by two samples; the other indicator is noise of its own.
    @Test func indicatorsCountOnlyWhereTheyHelp() throws {
        var losses = [0.0, 0.0, 0.0]
        for seed in 1...3 {
            var generator = SeededGenerator(seed: UInt64(seed))
            var (level, junk) = (100.0, 50.0)
            var cpu: [Double] = []
            var forecasters = Array(
                repeating: SeriesForecaster(plan: Quarter.plan, prior: Quarter.prior), count: 3)
            var given: [Int: [SIMD8<Float>]] = [:]
            for tick in 0..<20 * Quarter.day {
                level += 0.02 * (100 - level) + 4 * generator.normal()
                junk = max(0, junk + 0.02 * (50 - junk) + 4 * generator.normal())
                cpu.append(max(0, level))
                let value = max(0, cpu[max(0, tick - 2)] + generator.normal())
                if let views = given.removeValue(forKey: tick) {
                    for place in 0..<3 { losses[place] += pinballLoss(views[place], value) }
                }
                try forecasters[0].observe(value, at: tick)
                try forecasters[1].observe(value, at: tick, indicators: [cpu[tick]])
                try forecasters[2].observe(value, at: tick, indicators: [junk])
                if tick > 10 * Quarter.day { given[tick + 2] = forecasters.compactMap { $0.quantiles(ahead: 2) } }
            }
        }
        #expect(losses[1] < 0.7 * losses[0])
        #expect(losses[2] < 1.02 * losses[0])
    }

    @Test func theFleetLendsUntilASeriesKnowsItself() throws {
        let fleet = try (0..<5).map { place in
            let series = Quarter.series(seed: UInt64(40 + place), days: 8) {
                ($0.mean, $0.noise) = (50 + 20 * Double(place), 0.2)
            }
            return try Quarter.learned(series.values)
        }
        let prior = FleetPrior(plan: Quarter.plan, fleet: fleet)
        var young = SeriesForecaster(plan: Quarter.plan, prior: prior)
        try young.observe(80, at: 0)
        let day = try #require(young.quantiles(ahead: 96))
        // A fifth of the level of noise is what the others have.
        #expect(day[2] < 72 && day[4] > 88)
        #expect(day[0] > 0 && day[7] < 240)
        var old = SeriesForecaster(plan: Quarter.plan, prior: prior)
        var other = SeriesForecaster(plan: Quarter.plan, prior: Quarter.prior)
        for (tick, value) in Quarter.series(days: 9, { ($0.noise, $0.daily) = (0.1, 0.3) }).values.enumerated() {
            try old.observe(#require(value), at: tick)
            try other.observe(#require(value), at: tick)
        }
        #expect(old.youth(9 - 1) == 0)
        let (a, b) = (try #require(old.quantiles(ahead: 4)), try #require(other.quantiles(ahead: 4)))
        #expect(abs(a[3] - b[3]) < 0.05 * a[3])
    }
}

@Suite("Fine samples")
struct FineSeriesTests {
    /// What comes half an hour after one indicator, and never after the other; some samples have none.
    @Test func indicatorsReachTheCoarseSeries() throws {
        var fine = FineSeries(plan: Quarter.plan, prior: Quarter.prior, ratio: 10)
        var randomness = SeededGenerator(seed: 8)
        var past = [50.0, 50, 50]
        for tick in 0..<10 * Quarter.day * 4 {
            if tick % 10 == 0 { past = [Double.random(in: 20...80, using: &randomness)] + past.dropLast() }
            let useless = Double(tick / 10 * 7919 % 61)
            try fine.observe(past[2], at: tick, indicators: tick % 3 == 0 ? [] : [past[0], useless])
        }
        let lead = try #require(fine.coarse.explanation.leads.first { $0.ticks == 2 })
        #expect(lead.indicators.count == 2)
        #expect(abs(lead.indicators[0]) > 5 * abs(lead.indicators[1]), "\(lead.indicators)")
    }

    @Test func foldsIntoCoarseOnes() throws {
        var last = FineSeries(plan: Quarter.plan, prior: Quarter.prior, ratio: 10, folding: .last)
        var sum = FineSeries(plan: Quarter.plan, prior: Quarter.prior, ratio: 10, folding: .sum)
        for tick in 0..<25 {
            try last.observe(Double(tick), at: tick)
            // Every fourth is unknown; what is known is filled up.
            if tick % 4 != 0 { try sum.observe(4, at: tick) }
        }
        #expect(last.coarse.samples == 2)
        #expect(try #require(last.coarse.quantiles(ahead: 1)).max() >= 19)
        #expect(try #require(sum.coarse.quantiles(ahead: 1))[3] == 40)
    }

    @Test func peaksCoverRisesAndStateIsRestored() throws {
        var fine = FineSeries(plan: Quarter.plan, prior: Quarter.prior, ratio: 10)
        var generator = SeededGenerator(seed: 3)
        var values: [Double] = []
        for _ in 0..<6000 { values.append(20 + (generator.chance(0.1) ? 10 : 0)) }
        for (tick, value) in values.enumerated() {
            try fine.observe(value, at: tick)
            if tick == 3456 {
                fine = try FineSeries(encoded: fine.encoded(), plan: Quarter.plan, prior: Quarter.prior, ratio: 10)
            }
        }
        let peak = try #require(fine.peak(within: 6))
        #expect(peak[0] >= Float(values[5999]))
        #expect(peak[5] >= 29)
        #expect(fine.peak(within: 31) == nil)
        #expect(throws: SampleRejection.negative(-1)) { try fine.observe(-1, at: 6001) }
        var whole = FineSeries(plan: Quarter.plan, prior: Quarter.prior, ratio: 10)
        for (tick, value) in values.enumerated() { try whole.observe(value, at: tick) }
        #expect(whole.encoded() == fine.encoded())
    }
}
