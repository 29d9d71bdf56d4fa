/// Distinct elements in order, as sorted arrays of bounded length: finding one halves, and adding or removing one moves
/// one of the arrays, whatever the number of elements.
struct SortedPieces<Element: Comparable & Sendable>: Sendable {
    private static var pieceMax: Int { 96 }
    /// None is empty.
    private var pieces: [[Element]] = []
    /// The last element of each piece, side by side for the search.
    private var lasts: [Element] = []

    var isEmpty: Bool { pieces.isEmpty }

    /// The piece that an element belongs to, and its place there, taken or not.
    private func place(of element: Element) -> (piece: Int, place: Int) {
        let piece = Self.count(in: lasts) { $0 < element }
        guard piece < pieces.count else { return (piece, 0) }
        return (piece, Self.count(in: pieces[piece]) { $0 < element })
    }

    /// How many of the first elements fulfil something that none does after them.
    @inline(__always)
    private static func count(in items: [Element], _ isBefore: (Element) -> Bool) -> Int {
        var (low, high) = (0, items.count)
        while low < high {
            let middle = (low + high) / 2
            if isBefore(items[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Adds an element that is not in.
    mutating func insert(_ element: Element) {
        guard !pieces.isEmpty else {
            pieces = [[element]]
            lasts = [element]
            return
        }
        var (piece, place) = place(of: element)
        if piece == pieces.count {
            piece -= 1
            place = pieces[piece].count
            lasts[piece] = element
        }
        pieces[piece].insert(element, at: place)
        if pieces[piece].count > Self.pieceMax { split(piece) }
    }

    private mutating func split(_ piece: Int) {
        let half = pieces[piece].count / 2
        let upper = Array(pieces[piece][half...])
        pieces[piece].removeSubrange(half...)
        pieces.insert(upper, at: piece + 1)
        lasts.insert(lasts[piece], at: piece + 1)
        lasts[piece] = pieces[piece][half - 1]
    }

    /// Removes an element that is in.
    mutating func remove(_ element: Element) {
        let (piece, place) = place(of: element)
        guard piece < pieces.count, pieces[piece][place] == element else {
            preconditionFailure("\(element) is removed and not in order")
        }
        pieces[piece].remove(at: place)
        if let last = pieces[piece].last {
            lasts[piece] = last
        } else {
            pieces.remove(at: piece)
            lasts.remove(at: piece)
        }
    }

    /// Calls `body` with the elements after one (nil: all), ascending, as long as it answers true.
    func forEach(after element: Element?, _ body: (Element) -> Bool) {
        var (piece, place) = element.map { self.place(of: $0) } ?? (0, 0)
        if let element, piece < pieces.count, pieces[piece][place] == element { place += 1 }
        while piece < pieces.count {
            while place < pieces[piece].count {
                guard body(pieces[piece][place]) else { return }
                place += 1
            }
            (piece, place) = (piece + 1, 0)
        }
    }
}
