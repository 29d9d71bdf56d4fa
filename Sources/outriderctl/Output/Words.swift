import ArgumentParser
import ControlAPI
import DaemonSupport
import NetworkTypes

// How values of the API read on a terminal and on the command line.

/// Priority classes on the command line.
enum PriorityArgument: String, ExpressibleByArgument, CaseIterable {
    case critical
    case standard
    case batch

    var message: Outrider_V1_PriorityClass {
        switch self {
        case .critical: .critical
        case .standard: .standard
        case .batch: .batch
        }
    }
}

/// Prediction modes on the command line.
enum ModeArgument: String, ExpressibleByArgument, CaseIterable {
    case observe
    case reserve
    case stage

    var message: Outrider_V1_PredictionMode {
        switch self {
        case .observe: .observe
        case .reserve: .reserve
        case .stage: .stage
        }
    }
}

extension Outrider_V1_PriorityClass {
    var word: String {
        switch self {
        case .critical: "critical"
        case .unspecified, .standard: "standard"
        case .batch: "batch"
        case .UNRECOGNIZED(let number): "unknown(\(number))"
        }
    }
}

extension Outrider_V1_PredictionMode {
    var word: String {
        switch self {
        case .observe: "observe"
        case .reserve: "reserve"
        case .unspecified, .stage: "stage"
        case .UNRECOGNIZED(let number): "unknown(\(number))"
        }
    }
}

extension Outrider_V1_LeaseState {
    var word: String {
        switch self {
        case .unspecified: "unknown"
        case .leased: "leased"
        case .staged: "staged"
        case .marked: "marked"
        case .draining: "draining"
        case .quarantined: "quarantined"
        case .stagedPartial: "staged-partial"
        case .UNRECOGNIZED(let number): "unknown(\(number))"
        }
    }
}

extension Outrider_V1_ServedFrom {
    var word: String {
        switch self {
        case .unspecified: "unknown"
        case .staged: "staged"
        case .leased: "leased"
        case .reserved: "reserved"
        case .cold: "cold"
        case .UNRECOGNIZED(let number): "unknown(\(number))"
        }
    }
}

extension Outrider_V1_HostState {
    var word: String {
        switch self {
        case .unspecified: "unknown"
        case .connected: "connected"
        case .unreachable: "unreachable"
        case .refused: "refused"
        case .repaying: "repaying"
        case .frozen: "frozen"
        case .fencing: "fencing"
        case .fenced: "fenced"
        case .withdrawing: "withdrawing"
        case .recovering: "recovering"
        case .impaired: "impaired"
        case .UNRECOGNIZED(let number): "unknown(\(number))"
        }
    }
}

extension Outrider_V1_MigrationPhase {
    var word: String {
        switch self {
        case .unspecified: "unknown"
        case .preparing: "preparing"
        case .flipped: "flipped"
        case .dropped: "dropped"
        case .UNRECOGNIZED(let number): "unknown(\(number))"
        }
    }
}

extension Outrider_V1_ProfileState {
    var word: String {
        switch self {
        case .unspecified: "unknown"
        case .cold: "cold"
        case .learning: "learning"
        case .ready: "ready"
        case .degraded: "degraded"
        case .UNRECOGNIZED(let number): "unknown(\(number))"
        }
    }
}

extension Outrider_V1_Range {
    /// `FIRST-LAST`, as `reclaim range` takes it.
    var word: String {
        guard count > 0 else { return "" }
        return count == 1 ? "\(first)" : "\(first)-\(UInt64(first) + UInt64(count) - 1)"
    }
}

extension Outrider_V1_Block {
    /// `FIRST/SIZE`.
    var word: String { size == 0 ? "" : "\(first)/\(size)" }
}

extension Outrider_V1_Position {
    var word: String { "\(generation).\(term).\(revision)" }
}

/// Numbers for people.
enum Words {
    static func yes(_ value: Bool) -> String { value ? "yes" : "no" }

    static func milliseconds(_ value: UInt64) -> String { milliseconds(.milliseconds(Int64(clamping: value))) }

    /// Whole milliseconds, or seconds from ten on: nobody reads more.
    static func milliseconds(_ value: Duration) -> String {
        let whole = value.inNanoseconds / 1_000_000
        return DurationText.print(.milliseconds(whole < 10_000 ? whole : whole / 1000 * 1000))
    }

    /// Three digits that count, and no more than six after the point.
    static func number(_ value: Double) -> String {
        guard value >= 0, value < 1e12 else { return "" }
        var (scaled, places) = (value, 0)
        while scaled < 100, places < 6 {
            scaled *= 10
            places += 1
        }
        let digits = String(Int(scaled.rounded()))
        let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
        var rest = padded.suffix(places)
        while rest.last == "0" { rest.removeLast() }
        return rest.isEmpty ? String(padded.dropLast(places)) : "\(padded.dropLast(places)).\(rest)"
    }

    /// Two digits after the point; the API's negative values mean "not known".
    static func fraction(_ value: Double) -> String {
        guard value >= 0, value < 1e12 else { return "" }
        let hundredths = Int((value * 100).rounded())
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }
}
