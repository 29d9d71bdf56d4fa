/// Rows under headings, aligned by the widest cell.
struct Table {
    /// How the cells of a column stand.
    enum Alignment {
        case left
        case right
    }

    /// One column.
    struct Column {
        let title: String
        let alignment: Alignment

        static func text(_ title: String) -> Column { Column(title: title, alignment: .left) }
        static func number(_ title: String) -> Column { Column(title: title, alignment: .right) }
    }

    private let columns: [Column]
    private var rows: [[String]] = []

    init(_ columns: [Column]) { self.columns = columns }

    var isEmpty: Bool { rows.isEmpty }

    /// Adds a row; an empty cell shows as `-`, so that columns stay countable for `awk`.
    mutating func add(_ cells: [String]) {
        precondition(cells.count == columns.count, "\(cells.count) cells for \(columns.count) columns")
        rows.append(cells.map { $0.isEmpty ? "-" : Terminal.escaped($0) })
    }

    /// The headings and rows, two spaces between columns, without trailing space.
    var lines: [String] {
        let table = [columns.map(\.title)] + rows
        let widths = columns.indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        return table.map { row in
            let cells = row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return columns[column].alignment == .right ? padding + row[column] : row[column] + padding
            }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }
}

/// One object as `name  value` lines.
struct Facts {
    private var facts: [(name: String, value: String)] = []

    mutating func add(_ name: String, _ value: String) {
        facts.append((name, value.isEmpty ? "-" : Terminal.escaped(value)))
    }

    mutating func add(_ name: String, _ value: some BinaryInteger) { add(name, String(value)) }

    var lines: [String] {
        let width = facts.map(\.name.count).max() ?? 0
        return facts.map { $0.name + String(repeating: " ", count: width - $0.name.count + 2) + $0.value }
    }
}
