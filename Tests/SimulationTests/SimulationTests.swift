@_spi(Simulation) import FleetSimulation
@_spi(Simulation) import NetworkTypes
import Testing

@Suite struct SimulationTests {
    /// Every planted defect is in the table, and its seed still shows it.
    @Test func everyDefectHasASeed() {
        let missing = PlantedDefects.named.map(\.name).filter { name in !RecordedSeed.all.contains { $0.name == name } }
        #expect(missing.isEmpty, "docs/simulation.md has no seed for \(missing.joined(separator: ", "))")
        #expect(RecordedSeed.all.count >= 14)
    }

    @Test(arguments: RecordedSeed.all)
    func plantedDefectIsFound(_ recorded: RecordedSeed) throws {
        let result = Simulation.run(seed: recorded.seed, steps: recorded.steps, planted: recorded.defect)
        let violation = try #require(result.violation, "seed \(recorded.seed) no longer shows \(recorded.name)")
        #expect(violation.invariant == recorded.invariant, "\(violation)")
    }

    @Test(arguments: RecordedSeed.all)
    func sameSeedWithoutTheDefectIsClean(_ recorded: RecordedSeed) {
        let result = Simulation.run(seed: recorded.seed, steps: recorded.steps)
        #expect(result.violation == nil, "seed \(recorded.seed): \(result.violation?.description ?? "")")
    }

    /// A short fuzz, bounded by steps, over seeds that nobody chose for it.
    @Test func shortFuzzIsClean() {
        for seed in UInt64(900_000)..<900_008 {
            let result = Simulation.run(seed: seed, steps: 4000)
            #expect(result.violation == nil, "seed \(seed): \(result.violation?.description ?? "")")
        }
    }

    /// A migration that a lost store knew: its source's port stands, and a host that is cut off sends there.
    @Test func aMigrationThatABackupForgotIsNoDuplicate() {
        let result = Simulation.run(seed: 5_003_564, steps: 20_000)
        #expect(result.violation == nil, "\(result.violation?.description ?? "")")
    }

    @Test func sameSeedSameLog() {
        func log() -> [String] {
            var lines: [String] = []
            _ = Simulation.run(seed: 42, steps: 3000) { lines.append($0) }
            return lines
        }
        let first = log()
        #expect(first.count > 1000)
        #expect(first == log())
        #expect(Simulation.run(seed: 42, steps: 3000).digest == Simulation.run(seed: 42, steps: 3000).digest)
        #expect(Simulation.run(seed: 42, steps: 3000).digest != Simulation.run(seed: 43, steps: 3000).digest)
    }

    @Test func logHasFiveColumns() throws {
        var lines: [String] = []
        _ = Simulation.run(seed: 7, steps: 500) { lines.append($0) }
        for line in lines {
            let columns = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: true)
            try #require(columns.count >= 4, "\(line)")
            #expect(Int(columns[0]) != nil && Double(columns[1]) != nil, "\(line)")
        }
    }
}
