import FoundationEssentials

/// The clock that people live by where the installation is used, for the days and weeks of forecasts.
public struct CalendarSettings: Hashable, Sendable {
    /// Name in this machine's time zone database, such as `Europe/Berlin`.
    public var timeZone: String
    public var restDays: [Weekday]
    public var holidays: [CalendarDay]

    /// Nil where no time zone is configured.
    init?(_ document: SettingsDocument) {
        guard let zone = document[optional: Keys.timeZone] else { return nil }
        timeZone = zone
        restDays = document[Keys.restDays]
        holidays = document[Keys.holidays]
    }

    enum Keys {
        static let timeZone = SettingKey.scalar(
            "time-zone",
            ValueFormat<String>(
                expected: "a name of the time zone database, such as Europe/Berlin",
                parse: { Self.isName($0) ? $0 : nil }, print: { $0 }),
            .optional(example: "Europe/Berlin"),
            "Where the users of the applications live. With it days of forecasts begin at local midnight, and rest-days and",
            "holidays are looked at; without it days are those of UTC and all weeks are alike. After a change forecasts are",
            "worse for some days.")
        static let restDays = SettingKey.list(
            "rest-days",
            of: ValueFormat<Weekday>(
                expected: "a day of the week, such as saturday", parse: { Weekday(rawValue: $0) },
                print: { $0.rawValue }),
            atLeast: 0, .defaulted([.saturday, .sunday]),
            "Days of every week without work. They count with time-zone only.")
        static let holidays = SettingKey.list(
            "holidays", of: ValueFormat<CalendarDay>.losslessText("a date, such as 2026-12-25"), atLeast: 0,
            .defaulted([]),
            "Other days without work: they are foreseen by the last day of rest. They count with time-zone only.")
        static let all: [any AnySettingKey] = [timeZone, restDays, holidays]

        /// What could be a file below ``CalendarSettings/database``.
        private static func isName(_ text: String) -> Bool {
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            return parts.allSatisfy { part in
                !part.isEmpty && part.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_+-".contains($0)) }
            }
        }
    }

    /// Of the package tzdata.
    static let database = "/usr/share/zoneinfo"

    static func contradictions(_ document: SettingsDocument) -> [ConfigurationProblem] {
        guard let zone = document[optional: Keys.timeZone],
            !FileManager.default.fileExists(atPath: "\(database)/\(zone)")
        else { return [] }
        return [
            document.contradiction(
                Keys.timeZone, "\(database) has no '\(zone)'",
                fix: "choose one of its names, such as Europe/Berlin, or install tzdata")
        ]
    }
}

public enum Weekday: String, Hashable, Sendable, CaseIterable {
    case monday, tuesday, wednesday, thursday, friday, saturday, sunday

    /// 0 for Monday ... 6 for Sunday.
    public var number: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// A day of the Gregorian calendar, as `YYYY-MM-DD` (ISO 8601).
public struct CalendarDay: Hashable, Sendable, LosslessStringConvertible {
    public let year: Int
    public let month: Int
    public let day: Int

    /// Nil for what is no date, from 1970 to 9999.
    public init?(_ description: String) {
        let parts = description.split(separator: "-", omittingEmptySubsequences: false)
        guard description.utf8.count == 10, parts.count == 3, parts.map(\.utf8.count) == [4, 2, 2],
            description.utf8.allSatisfy({
                $0 == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
            }),
            let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]),
            year >= 1970, (1...12).contains(month), (1...Self.length(of: month, in: year)).contains(day)
        else { return nil }
        (self.year, self.month, self.day) = (year, month, day)
    }

    public var description: String {
        func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(year)-\(padded(month))-\(padded(day))"
    }

    /// Days since 1970-01-01.
    public var number: Int {
        let leaps = { (year: Int) in (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 }
        let before = 365 * (year - 1970) + leaps(year) - leaps(1970)
        return before + (1..<month).reduce(0) { $0 + Self.length(of: $1, in: year) } + day - 1
    }

    private static func length(of month: Int, in year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}
