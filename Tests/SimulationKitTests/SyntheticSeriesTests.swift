import SimulationKit
import Testing

@Suite("Synthetic series")
struct SyntheticSeriesTests {
    @Test func theSameSeedGivesTheSame() {
        for (_, shape) in SyntheticSeries.kinds {
            #expect(SyntheticSeries(shape, seed: 5, days: 3) == SyntheticSeries(shape, seed: 5, days: 3))
        }
    }

    @Test(arguments: SyntheticSeries.kinds.map(\.name))
    func theTruthIsWhatIsExpected(kind: String) throws {
        let shape = try #require(SyntheticSeries.kinds.first { $0.name == kind }).shape
        let series = SyntheticSeries(shape, seed: 9, days: 20)
        var (sum, truth, count) = (0.0, 0.0, 0.0)
        for (value, expected) in zip(series.values, series.expected) {
            guard let value else { continue }
            sum += value
            truth += expected
            count += 1
        }
        #expect(abs(sum / truth - 1) < 0.08)
        let unknown = Double(series.values.count { $0 == nil }) / Double(series.values.count)
        #expect(abs(unknown - shape.gaps) < 0.02)
        #expect(count > 0)
    }

    @Test func shiftsAndWeeksAreWhereTheyWereAskedFor() {
        var shape = SyntheticSeries.Shape()
        (shape.shift, shape.shiftDay, shape.weekly) = (3, 2, 0.5)
        let series = SyntheticSeries(shape, seed: 1, days: 7, samplesPerDay: 24)
        #expect(series.expected[24] == 100)
        #expect(series.expected[48] == 300)
        #expect(series.expected[6 * 24] == 150)
    }

    /// What is left of each sample, by its deviation, is noise of mean zero and deviation one, independent of the hour.
    @Test(arguments: ["daily", "weekly", "trend", "shift", "noise", "gaps"]) func theRestIsNoise(kind: String) throws {
        let shape = try #require(SyntheticSeries.kinds.first { $0.name == kind }).shape
        let series = SyntheticSeries(shape, seed: 4, days: 30)
        var rest: [Double] = []
        for place in series.values.indices {
            guard let value = series.values[place] else { continue }
            rest.append((value - series.expected[place]) / series.deviation[place])
        }
        let count = Double(rest.count)
        let mean = rest.reduce(0, +) / count
        let spread = (rest.reduce(0) { $0 + $1 * $1 } / count).squareRoot()
        let echo = zip(rest, rest.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 } / count
        #expect(abs(mean) < 0.04 && abs(spread - 1) < 0.04 && abs(echo) < 0.04, "\(mean) \(spread) \(echo)")
        #expect(zip(series.deviation, series.expected).allSatisfy { abs($0 - shape.noise * $1) < 1e-9 })
    }

    @Test func daysAndTrendsHaveTheSizeThatWasAskedFor() {
        var shape = SyntheticSeries.Shape()
        (shape.daily, shape.phase) = (0.5, 0.25)
        let daily = SyntheticSeries(shape, seed: 1, days: 2, samplesPerDay: 24).expected
        #expect(abs(daily[6] - 150) < 1e-9 && abs(daily[18] - 50) < 1e-9 && daily[..<24].max() == daily[6])
        #expect(zip(daily, daily.dropFirst(24)).allSatisfy { abs($0 - $1) < 1e-9 })
        shape = SyntheticSeries.Shape()
        shape.trend = 0.1
        let trend = SyntheticSeries(shape, seed: 1, days: 21, samplesPerDay: 24).expected
        #expect(abs(trend[240] - 200) < 1e-9 && abs(trend[480] - 300) < 1e-9)
    }

    @Test func burstsAreAsManyAsLongAndAsHighAsWasAskedFor() {
        var shape = SyntheticSeries.Shape()
        (shape.bursts, shape.burstSize, shape.burstLength) = (2, 3, 1.0 / 12)
        let series = SyntheticSeries(shape, seed: 3, days: 100, samplesPerDay: 288).expected
        #expect(Set(series.map { $0.rounded() }) == [100, 400])
        let starts = zip(series, series.dropFirst()).count { $0 < 200 && $1 > 200 }
        let inside = Double(series.count { $0 > 200 })
        // 200 begin; those that begin during another one lengthen it.
        #expect((140...220).contains(starts), "\(starts)")
        #expect(inside / Double(starts) >= 24 && inside / Double(starts) < 32)
    }

    @Test func intermittentSeriesAreAtZeroMostOfTheTime() throws {
        let shape = try #require(SyntheticSeries.kinds.first { $0.name == "intermittent" }).shape
        let series = SyntheticSeries(shape, seed: 2, days: 30)
        let active = series.values.compactMap { $0 }.filter { $0 > 0 }
        let share = Double(active.count) / Double(series.values.count)
        #expect(abs(share - shape.activity) < 0.02)
        #expect(active.allSatisfy { $0 == $0.rounded() && abs($0 - shape.mean) <= 1 })
    }
}
