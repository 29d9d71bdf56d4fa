import Testing

@testable import Allocation

/// What is chosen at given rates.
@Suite("Marginal value: choice")
struct MarginalChoiceTests {
    private func rates(floors: SIMD8<Float> = .zero, levels: [SIMD8<Float>] = []) -> MarginalRates {
        let rest = Array(repeating: SIMD8<Float>.zero, count: MarginalGrid.levels.count - levels.count)
        return MarginalRates(floors: floors, levels: levels + rest)
    }

    private func choice(_ rates: MarginalRates, price: Float, lanes: Int = 8) -> MarginalRates.Choice {
        rates.choice(
            rates.floorGains(price: price), rates.prefixes(price: price, divisor: 1), lanes: lanes, price: price,
            divisor: 1)
    }

    @Test func nothingIsHeldWhereNothingIsExpected() {
        let chosen = choice(rates(), price: 0.01)
        #expect(chosen.lane == 0)
        #expect(chosen.level == 0)
        #expect(chosen.bucket == nil)
    }

    @Test func aFloorGrowsWhileItsLastIsWorthThePrice() {
        let floors: SIMD8<Float> = [0, 0.5, 0.3, 0.2, 0.05, 0.2, 0.01, 0]
        let rates = rates(floors: floors)
        #expect(choice(rates, price: 0.1).lane == 5, "eight pay for the four that do not")
        #expect(choice(rates, price: 0.1).floor == 15, "between 12 and 24 the rate falls below the price")
        #expect(choice(rates, price: 0.16).lane == 3)
        #expect(choice(rates, price: 0.16).floor == 4)
        #expect(choice(rates, price: 0.25).floor == 3, "half way from .3 at two to .2 between three and four")
        #expect(choice(rates, price: 0.1, lanes: 3).floor == 2, "as far as the expert may")
        #expect(choice(rates, price: 0.25).level == 0, "no level is held for what the floor holds")
    }

    /// A batch of eight is as well served by a floor as by levels; once the floor is there, its levels are free.
    @Test func whatAFloorHoldsIsNotPaidTwice() {
        var levels = [SIMD8<Float>](repeating: SIMD8(repeating: 0.2), count: 6)
        #expect(choice(rates(levels: levels), price: 0.1).level == 8)
        // Beside a floor of four only the launches beyond it are left.
        for bucket in levels.indices where MarginalGrid.levels[bucket] <= 4 {
            levels[bucket] = [0.2, 0, 0, 0, 0, 0, 0, 0]
        }
        let floors: SIMD8<Float> = [0, 0.3, 0.3, 0.3, 0, 0, 0, 0]
        let chosen = choice(rates(floors: floors, levels: levels), price: 0.1)
        #expect(chosen.floor == 4)
        #expect(chosen.level == 8)
    }

    @Test func aHighLevelCarriesThoseBelowIt() {
        var levels = [SIMD8<Float>](repeating: SIMD8(repeating: 0.05), count: 10)
        levels[9] = SIMD8(repeating: 1)
        #expect(choice(rates(levels: levels), price: 0.1).level == 32)
        levels[9] = SIMD8(repeating: 0.15)
        #expect(choice(rates(levels: levels), price: 0.1).level == 0)
    }

    /// Rates say five launches in each tick; none comes.
    @Test func whoPromisesTooMuchIsNotFollowed() {
        var experts = MarginalExperts()
        let promised = rates(levels: Array(repeating: SIMD8(repeating: 0.3), count: 5))
        var last = experts.decide(promised, price: 0.1, inUse: 10, length: 1)
        #expect(last.target == 16)
        for _ in 0..<200 {
            experts.pass(1, inUse: 10)
            last = experts.decide(promised, price: 0.1, inUse: 10, length: 1)
        }
        #expect(last.expert.divisor == 4)
        #expect(last.target == 10)
    }

    /// Rates say one launch in a hundred ticks; three come in each, at once.
    @Test func whoPromisesTooLittleIsNotFollowed() {
        var experts = MarginalExperts()
        let promised = rates(levels: Array(repeating: SIMD8(repeating: 0.03), count: 3))
        var last = experts.decide(promised, price: 0.1, inUse: 0, length: 1)
        #expect(last.target == 0)
        for _ in 0..<50 {
            experts.launch(3, level: 1, rank: 65)
            experts.pass(1, inUse: 0)
            last = experts.decide(promised, price: 0.1, inUse: 0, length: 1)
        }
        #expect(last.expert.divisor == 0.25)
        #expect(last.target == 3)
    }

    /// A floor that serves every launch is followed although the rates of levels promise the same at a higher price.
    @Test func floorsAreGivenUpWhereTheyServeNobody() {
        var experts = MarginalExperts()
        let promised = rates(floors: [0, 0.3, 0.3, 0.3, 0.3, 0.3, 0, 0])
        var last = experts.decide(promised, price: 0.1, inUse: 0, length: 1)
        #expect(last.extra == 16)
        for _ in 0..<300 {
            experts.launch(1, level: 1, rank: 1)
            experts.launch(1, level: 2, rank: 2)
            experts.pass(1, inUse: 2)
            last = experts.decide(promised, price: 0.1, inUse: 0, length: 1)
        }
        #expect(last.extra == 2)
        #expect(last.expert.floorMax == 2)
    }

    private func quiet(_ rates: MarginalRates, price: Float) -> MarginalRates {
        var calibration = MarginalCalibration()
        calibration.promise(rates, price: price, lane: 0, length: 1)
        for _ in 0..<300 {
            calibration.endTick(
                ranks: .zero, levels: Array(repeating: .zero, count: MarginalGrid.levels.count), length: 1)
            calibration.promise(rates, price: price, lane: 0, length: 1)
        }
        return calibration.corrected(rates, price: price)
    }

    /// What was promised near the price and never came is believed less; what stands elsewhere is left alone.
    @Test func promisesThatFailAreCorrectedWhereTheyFailed() {
        var levels = Array(repeating: SIMD8<Float>(repeating: 0.001), count: MarginalGrid.levels.count)
        for bucket in 0..<5 { levels[bucket] = SIMD8(repeating: 0.2) }
        let promised = MarginalRates(floors: SIMD8(repeating: 0.3), levels: levels)
        let corrected = quiet(promised, price: 0.1)
        #expect(corrected.levels[0][0] < 0.02)
        #expect(corrected.floors[3] < 0.02)
        #expect(corrected.levels[9][0] > 0.0008)
    }

    @Test func promisesThatHoldAreLeftAsTheyAre() {
        var calibration = MarginalCalibration()
        let promised = rates(levels: Array(repeating: SIMD8(repeating: 0.5), count: 3))
        var counts = Array(repeating: SIMD8<UInt16>.zero, count: MarginalGrid.levels.count)
        for tick in 0..<400 {
            calibration.promise(promised, price: 0.4, lane: 0, length: 1)
            for bucket in 0..<3 { counts[bucket] = SIMD8(repeating: tick % 2 == 0 ? 1 : 0) }
            calibration.endTick(ranks: .zero, levels: counts, length: 1)
        }
        #expect(abs(calibration.corrected(promised, price: 0.4).levels[1][0] - 0.5) < 0.02)
    }
}
