import Forecasting
import NetworkTypes

/// What the profiler is shown of one application: samples of equal intervals, the interval under way apart.
struct DemandRecorder: Sendable {
    private(set) var forecaster: ApplicationForecaster
    private let interval: Int64
    /// Number of the interval under way, from the first that is shown on.
    private var slot: Int64 = 0
    private let begin: Int64
    private var sample = DemandSample(concurrent: 0, peak: 0, launches: 0, stops: 0)

    /// - Parameter begin: what happens before only sets the number of VMs.
    init(shape: ForecastShape, begin: Instant) {
        forecaster = ApplicationForecaster(shape: shape)
        interval = shape.profile.sampleInterval.inNanoseconds
        self.begin = begin.nanoseconds
    }

    mutating func observe(_ event: EvaluationEvent) {
        advance(to: event.at)
        if event.isLaunch {
            sample.launches += 1
            sample.concurrent += 1
            sample.peak = max(sample.peak, sample.concurrent)
        } else {
            sample.stops += 1
            sample.concurrent -= 1
        }
        if event.at.nanoseconds < begin { renew() }
    }

    private mutating func renew() {
        sample = DemandSample(concurrent: sample.concurrent, peak: sample.concurrent, launches: 0, stops: 0)
    }

    /// Closes the intervals that are over.
    mutating func advance(to now: Instant) {
        guard now.nanoseconds > begin else { return }
        let present = (now.nanoseconds - begin) / interval
        while slot < present {
            forecaster.observe(sample, at: Int(slot))
            slot += 1
            renew()
        }
    }

    /// Of every application, up to the begin of the replay.
    static func learn(_ workload: EvaluationWorkload, plan: EvaluationPlan) throws(SeriesConfigurationError) -> [Self] {
        let shape = try ForecastShape(ProfileConfiguration(sampleInterval: plan.sampleInterval))
        let begin = min(plan.start, Instant(nanoseconds: 0) - plan.history)
        var recorders = workload.applications.map { _ in Self(shape: shape, begin: begin) }
        for event in workload.events {
            guard event.at < plan.start else { break }
            recorders[event.application].observe(event)
        }
        return recorders
    }
}
