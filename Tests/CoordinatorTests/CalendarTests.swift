import DaemonSupport
import Forecasting
import Testing

@testable import Coordinator

@Suite struct CalendarTests {
    /// Noon of 2026-11-27, UTC.
    private static let now = 1_795_780_800.0

    private func calendar(_ yaml: String) throws -> SeriesCalendar {
        let settings = try CoordinatorSettings(yaml: yaml, file: "c.yaml")
        return try SeriesCalendar(try #require(settings.calendar), now: Self.now)
    }

    /// As `zdump -v Europe/Berlin` says.
    @Test func clocksChangeWhenTheDatabaseSays() throws {
        let calendar = try calendar("time-zone: Europe/Berlin\nholidays: [2026-12-25]\n")
        let offsets = calendar.offsets.drop { $0.since < Int(Self.now) }.prefix(2)
        #expect(offsets.map(\.since) == [1_806_195_600, 1_824_944_400])
        #expect(offsets.map(\.seconds) == [7200, 3600])
        #expect(calendar.offsets.last { $0.since <= Int(Self.now) }?.seconds == 3600)
        #expect(calendar.offsets.first?.since == 0)
        // Ten years of two changes each, and the last year's.
        #expect((20...24).contains(calendar.offsets.count))
        #expect(calendar.restDays == [5, 6] && calendar.holidays == [20_812])
    }

    @Test func aZoneWithoutChangesHasOneOffset() throws {
        #expect(try calendar("time-zone: Asia/Kolkata\n").offsets == [.init(since: 0, seconds: 19_800)])
        #expect(try calendar("time-zone: UTC\nrest-days: []\n").restDays.isEmpty)
    }
}
