/// What is known of the clock that people live by where an application is used: its distance from UTC, and days of rest.
///
/// With it a day begins at local midnight, whatever daylight saving does, and the expert that looks back by a week looks at
/// the last day of the same kind: on a holiday at the last day of rest, a week after one at the last working day. Nothing else
/// changes: that expert earns its weight as ever. Without a calendar days are those of UTC and weeks have seven days.
public struct SeriesCalendar: Sendable, Hashable {
    /// From a moment on, until the next.
    public struct Offset: Sendable, Hashable {
        /// Seconds since 1970.
        public var since: Int
        /// By which local time is ahead of UTC.
        public var seconds: Int
        public init(since: Int, seconds: Int) {
            self.since = since
            self.seconds = seconds
        }
    }

    /// Ascending; before the first one it is zero.
    public let offsets: [Offset]
    /// Days of every week without work, 0 for Monday ... 6 for Sunday.
    public let restDays: Set<Int>
    /// Other days without work, counted in local days since 1970-01-01.
    public let holidays: Set<Int>

    public init(offsets: [Offset] = [], restDays: Set<Int> = [5, 6], holidays: Set<Int> = []) {
        self.offsets = offsets.sorted { $0.since < $1.since }
        self.restDays = restDays
        self.holidays = holidays
    }

    /// Seconds by which local time is ahead of UTC.
    func offset(at seconds: Int) -> Int {
        var (low, high) = (0, offsets.count)
        while low < high {
            let middle = (low + high) / 2
            if offsets[middle].since <= seconds { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? offsets[low - 1].seconds : 0
    }

    /// - Parameter day: local, since 1970-01-01, which was a Thursday.
    func isRest(_ day: Int) -> Bool { restDays.contains(((day + 3) % 7 + 7) % 7) || holidays.contains(day) }
}

extension SeriesPlan {
    /// Days back at which to look for one of the same kind: a week if it is one, else the nearest that is always known.
    private static let lookbacks = [7, 2, 3, 4, 5, 6, 8]

    /// Tick of the same moment in a world at UTC+0.
    func localTick(_ tick: Int) -> Int {
        guard let calendar else { return tick }
        return tick + calendar.offset(at: tick * 86_400 / day) * day / 86_400
    }

    /// The tick that last week's expert compares with: the same local time of the last day of the same kind.
    func counterpart(of tick: Int) -> Int {
        guard let calendar else { return tick - 7 * day }
        let local = localTick(tick)
        let isRest = calendar.isRest(local / day)
        let back = Self.lookbacks.first { calendar.isRest(local / day - $0) == isRest } ?? 7
        let there = tick - back * day
        // Clocks may have been changed since.
        return there + (local - tick) - (localTick(there) - there)
    }
}
