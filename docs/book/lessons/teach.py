"""For the teacher's page: hand out, mark a folder, read the results."""

# %% hand_out
import json
import subprocess
import sys
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())


def micrograd(*words):
    command = [sys.executable, "-m", "micrograd", *words]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=False)
    return done.stdout


students = ["anna", "bo", "chen", "dara"]
for seed, student in enumerate(students):
    words = ["exercise", "affine_relu", "--kind", "line", "--seed", str(seed)]
    micrograd(*words, "-o", f"{student}.py")

print(*sorted(path.name for path in folder.iterdir()), sep="\n")

# %% come_back
def comes_back(student, right, written):
    text = (folder / f"{student}_solution.py").read_text()
    (folder / f"{student}.py").write_text(text.replace(right, written))


comes_back("anna", "", "")
comes_back("bo", "np.sum(dh, axis=0)", "np.sum(dh, axis=1)")
comes_back("chen", "np.where(h > 0, dout, 0)", "dout")
comes_back("dara", "np.where(h > 0, dout, 0)", "np.where(dout > 0, dout, 0)")

# %% mark
def marked(student):
    found = micrograd("check", f"{student}.py", "--format", "json")
    return json.loads(found)["reports"][0]


reports = {student: marked(student) for student in students}
for student, report in reports.items():
    right = sum(output["right"] for output in report["outputs"])
    first = report["findings"][0] if report["findings"] else None
    where = f"line {first['span']['line']}: {first['kind']}" if first else ""
    print(f"{student:6} {right} of {len(report['outputs'])}  {where}")

# %% kinds
from collections import Counter

found = [one["kind"] for report in reports.values() for one in report["findings"]]
for kind, count in Counter(found).most_common():
    print(count, kind)
