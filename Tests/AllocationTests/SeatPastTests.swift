import NetworkTypes
import Testing

@testable import Allocation

@Suite("Past of a place")
struct SeatPastTests {
    private static let interval = Duration.seconds(300)
    private func time(_ hours: Double) -> Instant { Instant(nanoseconds: Int64(hours * 3600e9)) }

    /// Reviews every five minutes over whole days of the same demand by hour.
    private func past(days: Int, _ demand: (Int) -> Int) -> SeatPast {
        var past = SeatPast()
        past.isHome = true
        for step in 0..<(days * 288) {
            past.review(demand(step / 12 % 24), interval: Self.interval, at: time(Double(step) / 12))
        }
        return past
    }

    @Test func aSteadyDayIsExpectedAgain() {
        let past = past(days: 2) { $0 < 12 ? 10 : 20 }
        let ahead = past.outlook(10, typical: 0, carriers: 4, at: time(48.5))
        #expect(ahead.now == 10 && ahead.carriers == 4)
        #expect(ahead.peaks.count == 48)
        #expect(ahead.peaks.count { $0 == 10 } == 24 && ahead.peaks.count { $0 == 20 } == 24)
    }

    @Test func aDeviationFades() {
        let past = past(days: 1) { _ in 16 }
        #expect(past.outlook(32, typical: 0, carriers: 1, at: time(24)).peaks.prefix(5) == [32, 24, 20, 18, 17])
        #expect(past.outlook(0, typical: 0, carriers: 1, at: time(24)).peaks.prefix(4) == [0, 8, 12, 14])
    }

    @Test func threeDaysAreRememberedAndAFourthIsNot() {
        var past = past(days: 1) { _ in 50 }
        for step in 288..<(4 * 288) { past.review(5, interval: Self.interval, at: time(Double(step) / 12)) }
        let ahead = past.outlook(5, typical: 0, carriers: 1, at: time(96))
        #expect(ahead.peaks == Array(repeating: 5, count: 72))
    }

    @Test func hoursWithoutAReviewWereEmpty() {
        var past = past(days: 1) { _ in 9 }
        // A day and a half of silence, then a launch: yesterday is empty, the day before is not.
        past.review(1, interval: Self.interval, at: time(60))
        let ahead = past.outlook(1, typical: 0, carriers: 1, at: time(60))
        #expect(ahead.peaks.count == 48)
        #expect(ahead.peaks.prefix(24).max() == 1)
        #expect(ahead.peaks.suffix(24).contains(9))
        // Longer than the memory: nothing is left, and nothing breaks.
        past.review(1, interval: Self.interval, at: time(2000))
        #expect(past.outlook(1, typical: 0, carriers: 1, at: time(2000)).peaks.max() == 1)
    }

    @Test func whereNothingIsRememberedTheApplicationStandsIn() {
        var past = SeatPast()
        #expect(past.outlook(1, typical: 20, carriers: 3, at: time(5)).peaks.max() == 1, "a stray launch is alone")
        past.isHome = true
        #expect(past.outlook(1, typical: 20, carriers: 3, at: time(5)).peaks.max() == 20)
    }

    @Test func aPlaceThatTakesLaunchesIsCountedOnToFill() {
        var past = past(days: 1) { _ in 2 }
        #expect(past.outlook(2, typical: 20, carriers: 3, at: time(24)).peaks.first == 2)
        past.launch(demand: 3, at: time(24))
        #expect(past.outlook(3, typical: 20, carriers: 3, at: time(24.1)).peaks.first == 10)
        #expect(past.outlook(3, typical: 20, carriers: 3, at: time(24.2)).peaks.first == 3, "ten minutes later")
    }

    @Test func aPeakBetweenTwoReviewsIsRemembered() {
        var past = past(days: 1) { _ in 8 }
        past.launch(demand: 30, at: time(24.01))
        past.review(8, interval: Self.interval, at: time(24.05))
        past.review(8, interval: Self.interval, at: time(25))
        #expect(past.outlook(8, typical: 0, carriers: 1, at: time(48)).peaks.first == 30)
    }

    @Test func nothingComesBackInTheEnd() {
        let past = past(days: 2) { _ in 40 }
        #expect(past.outlook(3, typical: 40, carriers: 9, isFinal: true, at: time(48)).peaks.isEmpty)
    }

    /// Ten VMs, each for an hour: ten stops per hour.
    @Test func theMeanLifeFollowsFromStopsAndDemand() {
        var past = SeatPast()
        #expect(past.life == .seconds(86_400), "nothing has stopped yet")
        for step in 0..<240 {
            for _ in 0..<(step % 6 == 0 ? 5 : 0) { past.stop() }
            past.review(10, interval: Self.interval, at: time(Double(step) / 12))
        }
        #expect(abs(past.life.inSeconds - 3600) < 400, "\(past.life)")
    }
}
