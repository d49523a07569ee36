"""What the Makefile runs: notebooks, work/, data/, the bench, sweeps over seeds and the scoreboard."""
import sys

from utils.settings import CourseError


def run_command(main) -> None:
    """Run `main()` and end the process; what is wrong with the course's files, a disk or Ctrl-C ends it with one line."""
    try:
        sys.exit(main())
    except (CourseError, OSError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("interrupted; what was not finished is as it was before")
