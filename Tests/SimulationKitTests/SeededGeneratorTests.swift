import SimulationKit
import Testing

@Suite("Seeded randomness")
struct SeededGeneratorTests {
    /// First outputs of the authors' C code of xoshiro256** with its state filled by splitmix64 from seed 0.
    @Test func matchesTheReferenceVectors() {
        var generator = SeededGenerator(seed: 0)
        let expected: [UInt64] = [0x99ec_5f36_cb75_f2b4, 0xbf6e_1f78_4956_452a, 0x1a5f_849d_4933_e6e0]
        #expect(expected.map { _ in generator.next() } == expected)
    }

    @Test func sameSeedSameNumbersOtherSeedOthers() {
        var a = SeededGenerator(seed: 7)
        var b = SeededGenerator(seed: 7)
        var c = SeededGenerator(seed: 8)
        let fromA = (0..<8).map { _ in a.next() }
        #expect(fromA == (0..<8).map { _ in b.next() })
        #expect(fromA != (0..<8).map { _ in c.next() })
    }

    @Test func forksDoNotDependOnEachOther() {
        let root = SeededGenerator(seed: 1)
        var first = root.fork(1)
        var again = root.fork(1)
        var second = root.fork(2)
        let one = first.next()
        #expect(one == again.next())
        #expect(one != second.next())
    }

    /// Means over 20,000 draws; bounds are six standard errors wide.
    @Test func distributionsHaveTheirMoments() {
        var generator = SeededGenerator(seed: 42)
        let draws = 20_000
        func mean(_ draw: (inout SeededGenerator) -> Double) -> Double {
            var sum = 0.0
            for _ in 0..<draws { sum += draw(&generator) }
            return sum / Double(draws)
        }
        let error = 6 / Double(draws).squareRoot()
        #expect(abs(mean { $0.unit() } - 0.5) < error * 0.29)
        #expect(abs(mean { $0.exponential(mean: 3) } - 3) < error * 3)
        #expect(abs(mean { $0.normal() }) < error)
        #expect(
            abs(
                mean {
                    let x = $0.normal(); return x * x
                } - 1) < error * 1.42)
        #expect(abs(mean { Double($0.poisson(mean: 4)) } - 4) < error * 2)
        #expect(abs(mean { Double($0.poisson(mean: 100)) } - 100) < error * 10.1)
        #expect(abs(mean { $0.chance(0.3) ? 1 : 0 } - 0.3) < error * 0.46)
    }
}
