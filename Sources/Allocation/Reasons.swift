import FleetProtocol
import Forecasting
import NetworkTypes

/// The decision in words, from the same numbers.
struct Reasons {
    let input: AllocationInput
    let book: HostBook
    let forecast: ForecastView
    let settings: AllocationSettings

    func text(order: ReserveOrder?, wanted: [Int], granted: [Int], releases: [ScheduledRelease]) -> String {
        var parts = [basis]
        if let order {
            parts.append("reserve \(order.identifiers) more (\(order.kind.rawValue), \(seconds(order.lifetime)))")
        }
        let leases = book.shares(granted).filter { $0.lease > 0 }
        if !leases.isEmpty {
            parts.append("lease " + leases.map { "\(blockCount($0.lease)) to \($0.host)" }.joined(separator: ", "))
        }
        if book.missing(wanted) > book.missing(granted), let cap = input.policy.cap {
            parts.append("cap of \(cap) holds back \(blockCount(book.missing(wanted) - book.missing(granted)))")
        }
        let due = releases.filter { $0.after == .zero }.count
        if due > 0 { parts.append("release \(blockCount(due))") }
        if !input.isFleetOpen { parts.append("no host takes leases now") }
        if parts.count == 1 { parts.append("\(book.owned) owned are enough") }
        return parts.joined(separator: "; ")
    }

    private var basis: String {
        let quantile = percent(input.policy.priority.quantile)
        guard let peak = forecast.peak, let confidence = forecast.confidence else {
            let why =
                switch forecast.state {
                case nil: "no forecast"
                case .cold: "profile cold"
                case .degraded: "profile degraded: it loses to the baseline"
                case .learning, .ready: "lead not matured yet"
                }
            return "\(why): watermark rule"
        }
        let within = seconds(settings.decisionInterval + settings.leadTime)
        let threshold = input.policy.effectiveThreshold
        let comparison = confidence > threshold ? ">" : "<="
        return "\(quantile) % peak of demand within \(within) is \(ForecastView.whole(peak)), \(book.owned) owned: "
            + "confidence \(percent(confidence)) % \(comparison) \(percent(threshold)) %"
            + (input.policy.mode == .observe ? " (observe: watermark rule)" : "")
    }
}

func blockCount(_ count: Int) -> String { count == 1 ? "1 block" : "\(count) blocks" }

/// Percent with one decimal where it says something.
public func percent(_ fraction: Double) -> String {
    guard fraction.isFinite else { return "?" }
    let tenths = Int((fraction * 1000).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
}

/// A duration in words, rounded.
public func seconds(_ duration: Duration) -> String {
    let milliseconds = duration.inNanoseconds / 1_000_000
    if milliseconds < 10_000 && milliseconds % 1000 != 0 { return "\(milliseconds) ms" }
    let whole = (milliseconds + 500) / 1000
    if whole >= 7200 && whole % 3600 == 0 { return "\(whole / 3600) h" }
    if whole >= 120 && whole % 60 == 0 { return "\(whole / 60) min" }
    return "\(whole) s"
}
