import FleetProtocol
import Forecasting

/// What one decision reads from the forecast.
struct ForecastView {
    /// Neither absent, cold, degraded nor without the needed lead.
    let isUsable: Bool
    /// Quantile of the peak of demand until the next decision plus lead time: VMs, plus identifiers that now cool and
    /// may still do so at the peak.
    let peak: Double?
    /// The same up to the release horizon.
    let keep: Double?
    let confidence: Double?
    let state: ProfileState?

    init(_ input: AllocationInput, book: HostBook, settings: AllocationSettings) {
        state = input.forecast?.state
        let lead = settings.decisionInterval + settings.leadTime
        let level = input.policy.priority.quantile
        guard let forecast = input.forecast, forecast.state == .learning || forecast.state == .ready,
            let peak = forecast.peakQuantile(level, lead: lead), peak.isFinite,
            let confidence = forecast.exceedance(of: book.owned - book.cooling, within: lead)
        else {
            isUsable = false
            (self.peak, keep, confidence) = (nil, nil, nil)
            return
        }
        isUsable = true
        self.peak = peak + Double(book.cooling)
        self.confidence = confidence
        keep = forecast.peakQuantile(level, lead: max(lead, settings.releaseHorizon)).map {
            max($0, peak) + Double(book.cooling)
        }
    }

    /// Identifiers that the forecast asks for; no more than owned while the confidence does not pass the threshold.
    func ask(owned: Int, threshold: Double) -> Int? {
        guard let peak, let confidence else { return nil }
        let whole = Self.whole(peak)
        return confidence > threshold ? whole : min(whole, owned)
    }

    /// A quantile in whole identifiers: the nearest number, as in the confidence.
    static func whole(_ value: Double) -> Int { Int((min(max(0, value), 16_777_216) - 0.5).rounded(.up)) }
}
