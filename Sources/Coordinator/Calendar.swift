import DaemonSupport
import Forecasting
import Foundation

/// A time zone that the configuration names and the C library's database has, and that still can't be read.
struct UnknownTimeZone: Error, CustomStringConvertible {
    var name: String
    var description: String { "time-zone: '\(name)' can't be read; is the package tzdata whole?" }
}

extension SeriesCalendar {
    private static let yearsAhead = 10.0
    private static let secondsPerYear = 365.25 * 86_400

    /// Changes of the clock are looked up from `now` on, so a process that runs for more than ten years misses the later ones.
    ///
    /// - Parameter now: seconds since 1970.
    init(_ settings: CalendarSettings, now: Double) throws(UnknownTimeZone) {
        guard let zone = TimeZone(identifier: settings.timeZone) else { throw UnknownTimeZone(name: settings.timeZone) }
        var moment = Date(timeIntervalSince1970: now - Self.secondsPerYear)
        let end = Date(timeIntervalSince1970: now + Self.yearsAhead * Self.secondsPerYear)
        // What was before holds as far back as anybody asks.
        var offsets = [Offset(since: 0, seconds: zone.secondsFromGMT(for: moment))]
        while let next = zone.nextDaylightSavingTimeTransition(after: moment), next > moment, next < end {
            let seconds = zone.secondsFromGMT(for: next.addingTimeInterval(1))
            offsets.append(Offset(since: Int(next.timeIntervalSince1970.rounded()), seconds: seconds))
            moment = next
        }
        self.init(
            offsets: offsets, restDays: Set(settings.restDays.map(\.number)),
            holidays: Set(settings.holidays.map(\.number)))
    }
}
