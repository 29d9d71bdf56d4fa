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
}
