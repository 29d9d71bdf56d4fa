public import FleetProtocol

/// Bounded tables of pairs: SpaceSaving (Metwally, Agrawal, El Abbadi 2005) with a lower and an upper bound per pair,
/// merged as in Agarwal et al., "Mergeable Summaries" (2012).
///
/// For every pair, `bytes` ≤ truth ≤ `bytes + missedBytesMax`; a pair that is not in the table has at most
/// `absentBytesMax`; and `absentBytesMax` · `pairsMax` ≤ the bytes of all pairs together. Merging keeps all three.
extension PeerTable {
    /// Exact figures of one reading, each pair once.
    public init(exact pairs: [PeerTraffic]) {
        self.init(pairs: pairs, bytes: pairs.reduce(0) { $0 &+ $1.bytes })
        trim()
    }

    /// Adds another table of other traffic.
    public mutating func merge(_ other: PeerTable) {
        if other.pairs.isEmpty, other.bytes == 0 { return }
        let (mine, theirs) = (absentBytesMax, other.absentBytesMax)
        var sum: [PeerTraffic] = []
        sum.reserveCapacity(pairs.count + other.pairs.count)
        for pair in pairs {
            var pair = pair
            if let more = other.pairs.first(where: { $0.isSamePair(as: pair) }) {
                pair.bytes &+= more.bytes
                pair.packets &+= more.packets
                pair.missedBytesMax &+= more.missedBytesMax
            } else {
                pair.missedBytesMax &+= theirs
            }
            sum.append(pair)
        }
        for pair in other.pairs where !pairs.contains(where: { $0.isSamePair(as: pair) }) {
            var pair = pair
            pair.missedBytesMax &+= mine
            sum.append(pair)
        }
        pairs = sum
        bytes &+= other.bytes
        absentBytesMax = mine &+ theirs
        trim()
    }

    private mutating func trim() {
        pairs.sort { $0.precedes($1) }
        guard pairs.count > Self.pairsMax else { return }
        absentBytesMax = max(absentBytesMax, pairs[Self.pairsMax].bytesMax)
        pairs.removeSubrange(Self.pairsMax...)
    }
}

extension PeerTraffic {
    /// The most that the pair can have sent.
    public var bytesMax: UInt64 { bytes &+ missedBytesMax }

    fileprivate func isSamePair(as other: PeerTraffic) -> Bool {
        source == other.source && destination == other.destination
    }

    fileprivate func precedes(_ other: PeerTraffic) -> Bool {
        if bytesMax != other.bytesMax { return bytesMax > other.bytesMax }
        return (source, destination) < (other.source, other.destination)
    }
}
