import SimulationKit
import Testing

@Suite("Property runner")
struct PropertyTests {
    @Test func everyIterationDrawsAnew() throws {
        var seen: Set<UInt64> = []
        property("distinct draws", seed: 5, iterations: 50) { seen.insert($0.next()) }
        #expect(seen.count == 50)
    }

    @Test func aFailureStopsTheRunAndKeepsItsError() {
        var runs = 0
        #expect(throws: PropertyViolation.self) {
            try property("fails third", seed: 5, iterations: 10) { _ in
                runs += 1
                try hold(runs < 3, "third")
            }
        }
        #expect(runs == 3)
    }

    @Test func theFirstIterationRunsWithTheGivenSeedItself() {
        var drawn: UInt64 = 0
        property("replay", seed: 99, iterations: 1) { drawn = $0.next() }
        var expected = SeededGenerator(seed: 99)
        #expect(drawn == expected.next())
    }

    @Test func seedsAreDecimalOrHexadecimal() {
        #expect(parseSeed("17") == 17)
        #expect(parseSeed("0xff") == 255)
        #expect(parseSeed("-1") == nil)
        #expect(parseSeed("ff") == nil)
        #expect(parseSeed("0x") == nil)
    }
}
