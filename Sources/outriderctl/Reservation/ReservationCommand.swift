import ArgumentParser
import ControlAPI

struct ReservationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reservation", abstract: "Claims of applications on ranges.",
        subcommands: [ReservationList.self, ReservationExtend.self, ReservationRelease.self])

    static func lines(_ reservations: [Outrider_V1_Reservation], _ names: Names) -> [String] {
        var table = Table([
            .text("ID"), .text("APPLICATION"), .text("RANGE"), .text("KIND"), .number("EXPIRES IN"), .text("REASON"),
        ])
        for reservation in reservations {
            table.add([
                reservation.id, names[reservation.application], reservation.range.word,
                reservation.predicted ? "predicted" : "standard",
                reservation.expiresInMs == 0 ? "ended" : Words.milliseconds(reservation.expiresInMs),
                reservation.reason,
            ])
        }
        return table.lines
    }
}
