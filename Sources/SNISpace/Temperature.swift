import HeapModule
public import NetworkTypes

/// When chunks count as hot and cold.
public struct TemperatureThresholds: Hashable, Sendable, Codable {
    /// Launches per hour above which a cold chunk becomes hot.
    public var hotAbove: Double
    /// Launches per hour below which a hot chunk becomes cold; lower than `hotAbove`, so that a chunk does not waver.
    public var coldBelow: Double
    /// After so long without a launch half of the rate is left.
    public var halfLife: Duration
    public static let standard = TemperatureThresholds(hotAbove: 4, coldBelow: 1, halfLife: .seconds(3600))

    public init(hotAbove: Double, coldBelow: Double, halfLife: Duration) {
        self.hotAbove = hotAbove
        self.coldBelow = coldBelow
        self.halfLife = halfLife
    }

    /// - Throws: `invalid` unless 0 <= `coldBelow` < `hotAbove` and the half-life is longer than nothing.
    func check() throws(BookError) {
        guard coldBelow >= 0, hotAbove.isFinite, coldBelow < hotAbove else {
            throw .invalid(field: "temperature", why: "must be colder below \(coldBelow) than hot above \(hotAbove)")
        }
        guard halfLife > .zero else { throw .invalid(field: "half-life", why: "must be longer than nothing") }
    }
}

/// Decayed launch rates of chunks and blocks. Soft state: a new leader starts from the chunks that the book calls hot.
///
/// A chunk is looked at when something happened to it, and a hot one when it may have cooled without: what a call of
/// ``flips(of:at:)`` costs follows from that, not from how many chunks are open.
public struct Temperatures: Sendable {
    private struct Warmth: Sendable {
        var launches: Double
        var at: Instant
    }
    /// When a hot chunk may have cooled.
    private struct Look: Comparable, Sendable {
        var at: Instant
        var chunk: UInt32
        static func < (one: Look, other: Look) -> Bool { (one.at, one.chunk) < (other.at, other.chunk) }
    }
    public let thresholds: TemperatureThresholds
    private var chunks: [UInt32: Warmth] = [:]
    private var blocks: [SNIBlock: Warmth] = [:]
    /// Something happened to them since the last look, and no look is due by itself.
    private var touched: Set<UInt32> = []
    private var looks = Heap<Look>()
    /// Chunks in `looks`, each there once.
    private var awaited: Set<UInt32> = []

    public init(_ thresholds: TemperatureThresholds = .standard) { self.thresholds = thresholds }

    /// Of a book that is open already; looks at all of its chunks once.
    public init(_ thresholds: TemperatureThresholds = .standard, of book: Book) {
        self.thresholds = thresholds
        touched = Set(book.openChunks.map(\.chunk))
    }

    /// Every event that is applied to the book, in their order.
    public mutating func follow(_ event: BookEvent, of book: Book) {
        switch event {
        case .chunkOpened(let index, _), .chunkTempered(let index, _): touch(book.order.chunk(at: index))
        default: break
        }
    }

    private mutating func touch(_ chunk: UInt32) {
        if !awaited.contains(chunk) { touched.insert(chunk) }
    }

    public mutating func launched(in block: SNIBlock, chunk: UInt32, at now: Instant) {
        chunks[chunk] = Warmth(launches: left(of: chunks[chunk], at: now) + 1, at: now)
        blocks[block] = Warmth(launches: left(of: blocks[block], at: now) + 1, at: now)
        touch(chunk)
    }

    /// The block is leased no more.
    public mutating func forget(_ block: SNIBlock) { blocks[block] = nil }

    /// Launches per hour.
    public func rate(ofChunk chunk: UInt32, at now: Instant) -> Double { perHour(left(of: chunks[chunk], at: now)) }

    /// Launches per hour in all of the blocks; those of a range give the temperature of the range.
    public func rate(of members: some Sequence<SNIBlock>, at now: Instant) -> Double {
        perHour(members.reduce(0) { $0 + left(of: blocks[$1], at: now) })
    }

    /// Chunks of a book that should change between hot and cold, ascending. One that cools is found within a sixteenth of
    /// the half-life.
    ///
    /// A chunk that is met for the first time starts from what the book calls it: an application that just opened one
    /// is given a half-life or two to fill it.
    public mutating func flips(of book: Book, at now: Instant) -> [(chunk: UInt32, isHot: Bool)] {
        while let next = looks.min, next.at <= now {
            looks.removeMin()
            awaited.remove(next.chunk)
            touched.insert(next.chunk)
        }
        let due = touched.sorted()
        touched = []
        return due.compactMap { look(at: $0, of: book, at: now) }
    }

    private mutating func look(at chunk: UInt32, of book: Book, at now: Instant) -> (chunk: UInt32, isHot: Bool)? {
        guard let page = book.pages[chunk: chunk] else {
            chunks[chunk] = nil
            return nil
        }
        if chunks[chunk] == nil {
            chunks[chunk] = Warmth(launches: page.isHot ? thresholds.hotAbove / perHour(1) : 0, at: now)
        }
        let rate = rate(ofChunk: chunk, at: now)
        if page.isHot ? rate < thresholds.coldBelow : rate > thresholds.hotAbove {
            // Looked at again: nobody says that the caller does what is asked.
            touched.insert(chunk)
            return (chunk, !page.isHot)
        }
        if page.isHot, thresholds.coldBelow > 0 {
            // The rate halves whole times before it can be too low; near the end, look now and then.
            let halvings = (rate / thresholds.coldBelow).exponent
            let wait = halvings > 0 ? thresholds.halfLife * Int(halvings) : thresholds.halfLife / 16
            looks.insert(Look(at: now + wait, chunk: chunk))
            awaited.insert(chunk)
        }
        return nil
    }

    private func left(of warmth: Warmth?, at now: Instant) -> Double {
        guard let warmth else { return 0 }
        let age = max(0, (now - warmth.at).inSeconds) / thresholds.halfLife.inSeconds
        return warmth.launches * power(0.5, age)
    }

    /// A steady rate of r launches per second keeps r / decay launches alive.
    private func perHour(_ launches: Double) -> Double {
        launches * 0.693_147_180_559_945_3 / thresholds.halfLife.inSeconds * 3600
    }

    /// `base`^`exponent` for 0 <= exponent: whole halvings exactly, the rest by the series of e^x.
    private func power(_ base: Double, _ exponent: Double) -> Double {
        guard exponent < 1000 else { return 0 }
        let whole = exponent.rounded(.down)
        let rest = -(exponent - whole) * 0.693_147_180_559_945_3
        var term = 1.0
        var sum = 1.0
        for step in 1...18 {
            term *= rest / Double(step)
            sum += term
        }
        return sum * Double(sign: .plus, exponent: -Int(whole), significand: 1)
    }
}

extension Book {
    /// Open chunks by number, and whether each is hot.
    public var openChunks: [(chunk: UInt32, isHot: Bool)] {
        var found: [(UInt32, Bool)] = []
        pages.forEach { found.append(($0.number, $0.isHot)) }
        return found
    }

    /// Makes a chunk hot or cold: an application grows in its hot chunks before it opens a fresh one, and comes back to
    /// its cold ones only when no fresh one is left.
    public func temper(chunk: UInt32, isHot: Bool) throws(BookError) -> [BookEvent] {
        guard let page = pages[chunk: chunk] else { throw .invalid(field: "chunk", why: "\(chunk) is not open") }
        return page.isHot == isHot ? [] : [.chunkTempered(index: page.index, isHot: isHot)]
    }

    mutating func applyTempered(_ index: Int, _ isHot: Bool) {
        guard let place = pages.place(of: order.chunk(at: index)) else { return }
        let mask = pages[place].freeMask
        reroom(place, from: mask, to: 0)
        pages[place].isHot = isHot
        reroom(place, from: 0, to: mask)
    }

    /// Blocks to mark so that half-empty ranges drain and return: unused ones in ranges of which less than half is in
    /// use, coldest chunk first (of equally cold ones the lowest), then coldest range. A plan: nothing has happened yet.
    /// It looks into chunks one by one and stops where it has enough.
    ///
    /// - Parameters:
    ///   - limit: blocks at most.
    ///   - used: identifiers of a block that are bound, held or cooling; a block with any is not taken.
    public func compactionPlan(
        of application: ApplicationID, temperatures: Temperatures, at now: Instant, limit: Int,
        used: (SNIBlock) -> Int
    ) -> [BlockLease] {
        guard let number = accounts.number(of: application) else { return [] }
        var found: [BlockLease] = []
        let chunks = accounts[number].chunks.map { (heat: temperatures.rate(ofChunk: $0, at: now), number: $0) }
        for chunk in chunks.sorted(by: { $0 < $1 }) where found.count < limit {
            var ranked: [(heat: Double, lease: BlockLease)] = []
            for range in ranges(of: number, in: chunk.number) {
                let leases = leases(of: application, touching: range.range)
                guard leases.reduce(0, { $0 + used($1.block) }) * 2 < range.size else { continue }
                let heat = temperatures.rate(of: leases.map(\.block), at: now)
                for lease in leases where lease.state == .leased || lease.state == .staged {
                    guard used(lease.block) == 0, subleases(of: lease.block).isEmpty else { continue }
                    ranked.append((heat, lease))
                }
            }
            ranked.sort { ($0.heat, $0.lease.block) < ($1.heat, $1.lease.block) }
            found += ranked.prefix(limit - found.count).map(\.lease)
        }
        return found
    }

    private func ranges(of application: UInt32, in chunk: UInt32) -> [SNIBlock] {
        guard let page = pages[chunk: chunk] else { return [] }
        return page.ranges.nodes.filter { page.owner(of: $0) == application }.map(page.block)
    }
}
