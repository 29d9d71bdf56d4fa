import DequeModule
public import NetworkTypes

/// Who waits for identifiers that were not there, in the order in which they are served: the higher class first, of equals
/// whoever has waited longest. Whoever is given something and wants more stands at the end of its class again.
///
/// Of this process alone: not stored, and no part of what a book is equal by.
struct WaitingLine: Sendable {
    /// Equals that have waited longer are made room for up to this many: the first of them are served first, so that everybody
    /// comes to be one of them, and a look costs the same however long the line is.
    static let looksMax = 16

    private struct Place: Sendable {
        var identifiers: Int
        var rank: ClassRank
        var turn: UInt64
        var until: Instant
    }
    private struct Line: Sendable {
        var total = 0
        /// With those who left or went to the end, until they come to the front.
        var order = Deque<(application: ApplicationID, turn: UInt64)>()
    }

    private var places: [ApplicationID: Place] = [:]
    private var lines: [ClassRank: Line] = [:]
    private var lastTurn: UInt64 = 0

    var isEmpty: Bool { places.isEmpty }

    /// Keeps its place when it stands in the line of its class already.
    mutating func join(_ application: ApplicationID, identifiers: Int, rank: ClassRank, until: Instant) {
        guard let place = places[application], place.rank == rank else {
            leave(application)
            return stand(application, identifiers: identifiers, rank: rank, until: until)
        }
        lines[rank]?.total += identifiers - place.identifiers
        places[application]?.identifiers = identifiers
        places[application]?.until = until
    }

    mutating func leave(_ application: ApplicationID) {
        guard let place = places.removeValue(forKey: application) else { return }
        lines[place.rank]?.total -= place.identifiers
        tidy(place.rank)
    }

    /// Was given something.
    mutating func serve(_ application: ApplicationID, identifiers: Int) {
        guard let place = places[application] else { return }
        leave(application)
        let left = place.identifiers - identifiers
        guard left > 0 else { return }
        stand(application, identifiers: left, rank: place.rank, until: place.until)
    }

    /// Nobody waits for what was asked for so long ago.
    mutating func forget(until now: Instant) {
        for application in places.filter({ $0.value.until <= now }).keys { leave(application) }
    }

    /// Identifiers that others come first for.
    func ahead(of application: ApplicationID, rank: ClassRank) -> Int {
        guard !places.isEmpty else { return 0 }
        let higher = lines.reduce(0) { $1.key > rank ? $0 + $1.value.total : $0 }
        guard let equals = lines[rank] else { return higher }
        var sum = higher
        var looks = 0
        for (other, turn) in equals.order {
            guard let place = places[other], place.turn == turn else { continue }
            guard other != application, looks < Self.looksMax else { break }
            sum += place.identifiers
            looks += 1
        }
        return sum
    }

    private mutating func stand(_ application: ApplicationID, identifiers: Int, rank: ClassRank, until: Instant) {
        lastTurn += 1
        places[application] = Place(identifiers: identifiers, rank: rank, turn: lastTurn, until: until)
        lines[rank, default: Line()].total += identifiers
        lines[rank]?.order.append((application, lastTurn))
        tidy(rank)
    }

    /// Who is not there any more goes at the front at once, elsewhere when half of the line is such.
    private mutating func tidy(_ rank: ClassRank) {
        while let first = lines[rank]?.order.first, places[first.application]?.turn != first.turn {
            lines[rank]?.order.removeFirst()
        }
        guard let count = lines[rank]?.order.count else { return }
        if count == 0 {
            lines[rank] = nil
        } else if count > 2 * places.count + Self.looksMax {
            let places = places
            lines[rank]?.order.removeAll { places[$0.application]?.turn != $0.turn }
        }
    }
}

extension Book {
    /// An application waits for identifiers that are not there. Others of its class who came later, and lower classes, leave
    /// them to it, but for what their floors promise them.
    ///
    /// - Parameter until: when nobody waits for them any more, on the clock of who says so; see ``forgetWaiting(until:)``.
    public mutating func queue(_ application: ApplicationID, for identifiers: Int, until: Instant) {
        let quota = quota(of: application)
        let allowed = quota.cap == 0 ? identifiers : min(identifiers, quota.cap - owned(by: application))
        guard allowed > 0 else { return line.leave(application) }
        line.join(application, identifiers: allowed, rank: rank(of: application), until: until)
    }

    /// It waits no more: it was given something else, or its class is another one.
    public mutating func leaveLine(_ application: ApplicationID) { line.leave(application) }

    /// It was given some of what it waits for; for the rest it stands last of its class.
    public mutating func serve(_ application: ApplicationID, identifiers: Int) {
        line.serve(application, identifiers: identifiers)
    }

    public mutating func forgetWaiting(until now: Instant) { line.forget(until: now) }

    /// Identifiers that others come first for.
    public func awaitedAhead(of application: ApplicationID) -> Int {
        line.ahead(of: application, rank: rank(of: application))
    }
}
