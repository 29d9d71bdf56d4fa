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
    private static let format = Date.ISO8601FormatStyle().year().month().day()
    private static let length = 86_400.0

    /// Days since 1970-01-01.
    public let number: Int

    /// Nil for what is no date, and for dates before 1970.
    public init?(_ description: String) {
        guard let date = try? Date(description, strategy: Self.format), date.timeIntervalSince1970 >= 0 else {
            return nil
        }
        number = Int(date.timeIntervalSince1970 / Self.length)
        // The library reads 30 February and single digits, too.
        guard self.description == description else { return nil }
    }

    public var description: String {
        Date(timeIntervalSince1970: Double(number) * Self.length).formatted(Self.format)
    }
}
