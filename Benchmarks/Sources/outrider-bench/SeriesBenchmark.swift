import ForecastBacktest
import Forecasting
import Foundation
import SimulationKit

/// The forecaster of series: time, memory, and what synthetic series with a known truth show.
enum SeriesBenchmark {
    static func run() throws {
        let plan = SeriesPlan(try SeriesConfiguration())
        let prior = FleetPrior(plan: plan)
        try time(plan, prior)
        Results.note("series: persisted state", Double(try lively(plan, prior).0.encoded().count), "bytes")
        try fleet(plan, prior)
        try trials()
    }

    /// CPU seconds of this process.
    static func cpu() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

    /// Microseconds of CPU per call: the best of three rounds, since what disturbs only ever adds.
    static func perCall(_ calls: Int, _ body: () throws -> Void) rethrows -> Double {
        var best = Double.infinity
        for _ in 0..<3 {
            let start = cpu()
            try body()
            best = min(best, cpu() - start)
        }
        return best / Double(calls) * 1e6
    }

    /// Four weeks of a lively series.
    static func lively(_ plan: SeriesPlan, _ prior: FleetPrior) throws -> (SeriesForecaster, [Double]) {
        var shape = SyntheticSeries.Shape()
        (shape.daily, shape.noise, shape.bursts, shape.isWhole) = (0.5, 0.1, 2, true)
        let values = SyntheticSeries(shape, seed: 1, days: 35).values.map { $0 ?? 0 }
        var forecaster = SeriesForecaster(plan: plan, prior: prior)
        for tick in 0..<28 * 288 { try forecaster.observe(values[tick], at: tick) }
        return (forecaster, values)
    }

    private static func time(_ plan: SeriesPlan, _ prior: FleetPrior) throws {
        let (learned, values) = try lively(plan, prior)
        let (first, count) = (28 * 288, 7 * 288)
        let update = try perCall(count) {
            var forecaster = learned
            for tick in first..<first + count { try forecaster.observe(values[tick], at: tick) }
        }
        Results.note("series: update, 5-minute sample", update, "us", bar: 10)
        let profile = perCall(2000) {
            for _ in 0..<2000 {
                for ahead in [1, 3, 12, 72, 288] { precondition(learned.quantiles(ahead: ahead) != nil) }
            }
        }
        Results.note("series: profile, 5 horizons x 8 quantiles", profile, "us", bar: 50)
        var led = SeriesForecaster(plan: plan, prior: prior)
        for tick in 0..<first { try led.observe(values[tick], at: tick, indicators: [values[tick + 2], 1, 2, 3, 4]) }
        let indicated = try perCall(count) {
            var copy = led
            for tick in first..<first + count - 2 {
                try copy.observe(values[tick], at: tick, indicators: [values[tick + 2], 1, 2, 3, 4])
            }
        }
        Results.note("series: the same with five indicators", indicated, "us", bar: 10)
        var fine = FineSeries(plan: plan, prior: prior)
        let samples = 3 * 8640
        for tick in 0..<samples { try fine.observe(values[tick / 30], at: tick) }
        // What a fine sample itself costs: the one in thirty that closes a coarse one is counted above.
        let total = try perCall(samples) {
            var copy = fine
            for tick in samples..<2 * samples { try copy.observe(values[tick / 30], at: tick) }
        }
        Results.note("series: update, 10-second sample", max(0, total - update / 30), "us", bar: 1)
        Results.note("series: the same with its share of 5 minutes", total, "us")
    }

    /// As many as fit into seconds of a test, cold caches included, scaled to the fleet: thirty samples, so that each
    /// closes one of five minutes.
    private static func fleet(_ plan: SeriesPlan, _ prior: FleetPrior) throws {
        let (_, values) = try lively(plan, prior)
        var template = FineSeries(plan: plan, prior: prior)
        for tick in 0..<8640 { try template.observe(values[tick / 30], at: tick) }
        try share("200,000 series", of: 200_000, count: 20_000, template) { series, index, tick in
            try series.observe(values[(index + tick) % 900], at: tick)
        }
        var application = ApplicationForecaster(shape: try ForecastShape(ProfileConfiguration()))
        func sample(_ index: Int) -> DemandSample {
            let vms = Int(values[index % 900])
            return DemandSample(concurrent: vms, peak: vms + 1, launches: vms % 3, stops: vms % 2)
        }
        for tick in 0..<8640 { application.observe(sample(tick / 30), at: tick, indicators: [1, 2, 3, 4, 5]) }
        try share("100,000 applications", of: 100_000, count: 8000, application) { model, index, tick in
            model.observe(sample(index + tick), at: tick, indicators: [Double(tick % 7), Double(index % 5), 3, 4, 5])
        }
    }

    private static func share<Model>(
        _ name: String, of fleet: Int, count: Int, _ template: Model, _ observe: (inout Model, Int, Int) throws -> Void
    ) throws {
        // Each has its own memory: a copy is not shared once it was written to.
        var all = Array(repeating: template, count: count)
        for index in all.indices { try observe(&all[index], index, 8640) }
        let start = cpu()
        for tick in 8641..<8671 { for index in all.indices { try observe(&all[index], index, tick) } }
        let spent = cpu() - start
        Results.note(
            "\(name), one sample per 10 s each", spent / 300 * Double(fleet) / Double(count), "cores", bar: 1)
        Results.note("\(name): one sample of one", spent / 30 / Double(count) * 1e6, "us")
    }

    private static func trials() throws {
        let indicator = try IndicatorTrial()
        Results.note("indicator planted: 15-min loss", indicator.planted, "of plain", bar: 0.7)
        Results.note("indicator useless: 15-min loss", indicator.useless, "of plain", bar: 1.02)
        let shift = try ShiftTrial()
        Results.note("shift x3: 90 % covers, samples 6 to 288", shift.coverage90, "", floor: 0.85)
        Results.note("shift x3: 1 h loss, 1/2 h to 2 h after", shift.lossEarly, "of normal")
        Results.note("shift x3: 1 h loss, 2 h to a day after", shift.lossFirstDay, "of normal", bar: 1.2)
        Results.note("shift x3: 1 h loss, the second day", shift.lossSecondDay, "of normal", bar: 1.2)
        let calendar = try CalendarTrial()
        Results.note("calendar, holidays and a week after: loss", calendar.holidays, "of without")
        Results.note("calendar, the week after a change of clocks", calendar.changedClocks, "of without")
        Results.note("calendar, other days", calendar.others, "of without", bar: 1.02)
        let outage = try OutageTrial()
        Results.note("outage of 2 h: forecasts that turned", Double(outage.turned), "of \(outage.outages)", bar: 0)
        let (series, values) = try lively(SeriesPlan(try SeriesConfiguration()), prior(288))
        var restored = try SeriesForecaster(encoded: series.encoded(), plan: series.plan, prior: series.prior)
        var original = series
        for tick in 28 * 288..<30 * 288 {
            try original.observe(values[tick], at: tick)
            try restored.observe(values[tick], at: tick)
        }
        let isSame =
            original.encoded() == restored.encoded()
            && original.quantiles(upTo: 288) == restored.quantiles(upTo: 288)
        Results.note("restored state: forecasts that differ", isSame ? 0 : 1, "", bar: 0)
    }

    private static func prior(_ day: Int) throws -> FleetPrior {
        FleetPrior(plan: SeriesPlan(try SeriesConfiguration(samplesPerDay: day)))
    }
}
