import Forecasting
import NetworkTypes
import Testing

@testable import FleetSimulation

@Suite("Evaluation: what rules make of the past")
struct EvaluationRuleTests {
    private static let day = 86_400.0

    private static func event(_ seconds: Double, isLaunch: Bool) -> EvaluationEvent {
        EvaluationEvent(at: Small.instant(seconds), application: 0, host: 0, vm: 0, isLaunch: isLaunch)
    }

    /// Ten VMs from one to two o'clock, two days long: expected again on the third, in time and no longer.
    @Test func theNaiveRuleRepeatsYesterday() {
        var rule = NaiveRule(quantile: 0.5, window: .seconds(120), applications: 1)
        for day in [-2.0, -1] {
            for (hour, isLaunch) in [(1.0, true), (2.0, false)] {
                for _ in 0..<10 {
                    rule.observe(Self.event(day * Self.day + hour * 3600, isLaunch: isLaunch))
                }
            }
        }
        #expect(rule.target(0, bound: 0, at: Small.instant(600)).total == 0)
        #expect(rule.target(0, bound: 0, at: Small.instant(3420)).total == 0)
        #expect(rule.target(0, bound: 0, at: Small.instant(3540)).total == 10)
        #expect(rule.target(0, bound: 0, at: Small.instant(7140)).total == 10)
        #expect(rule.target(0, bound: 0, at: Small.instant(7500)).total == 0)
    }

    /// The margin is the quantile of how much yesterday was off: ten more than the day before, for an hour in 24.
    @Test func theNaiveRuleAddsItsError() {
        for (quantile, margin) in [(0.9, 0), (0.999, 10)] {
            var rule = NaiveRule(quantile: quantile, window: .seconds(120), applications: 1)
            rule.observe(Self.event(-2 * Self.day, isLaunch: true))
            rule.observe(Self.event(-2 * Self.day + 1, isLaunch: false))
            for _ in 0..<10 { rule.observe(Self.event(-0.5 * Self.day, isLaunch: true)) }
            for _ in 0..<10 { rule.observe(Self.event(-0.5 * Self.day + 3600, isLaunch: false)) }
            #expect(rule.target(0, bound: 0, at: Small.instant(0)).total == margin, "quantile \(quantile)")
        }
    }

    /// What was before the first sample sets the level and is no launch; an interval is told when it is over.
    @Test func theProfilerSeesWholeIntervals() throws {
        let shape = try ForecastShape(ProfileConfiguration())
        var recorder = DemandRecorder(shape: shape, begin: Small.instant(-100))
        for (seconds, isLaunch) in [(-150.0, true), (-95, true), (-95, false), (-85, true)] {
            recorder.observe(Self.event(seconds, isLaunch: isLaunch))
        }
        #expect(recorder.forecaster.demand.samples == 1)
        #expect(recorder.forecaster.demand.current == 1)
        recorder.advance(to: Small.instant(-70.001))
        #expect(recorder.forecaster.demand.samples == 2)
        recorder.advance(to: Small.instant(-70))
        #expect(recorder.forecaster.demand.samples == 3)
        #expect(recorder.forecaster.demand.current == 2)
        #expect(recorder.forecaster.rejections == 0)
    }
}
