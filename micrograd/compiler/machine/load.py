from __future__ import annotations
import hashlib, time
from micrograd.compiler.machine.build import object_of, python_function, vector_bytes, with_entry
from micrograd.compiler.machine.printer import print_function
from micrograd.compiler.machine.values import SHORT
from micrograd.compiler.runtime import vector_math, quotients
FUNCTIONS={f"{n}{b}": v[f"float{b}"] for n,v in vector_math.FUNCTIONS.items() for b in (32,64)}
FUNCTIONS|={f"{n}{b}": getattr(quotients,n) for n in ("floor_divide","remainder") for b in (32,64)}
COUNT=[0]
TIMES={}
def native_code(lowered, native):
    t0=time.perf_counter()
    arrays = {lowered.memory.own[v]: v for v in native.segment.arrays}
    kinds={}
    for a in native.arguments:
        if a=="tid": kinds[a]="i64"
        elif a in("sizes","sync","board"): kinds[a]="*i64"
        elif a=="numbers": kinds[a]="*f64"
        else:
            d=a.removeprefix("work_") if a.startswith("work_") else lowered.program.values[arrays[a]].dtype
            kinds[a]="*u8" if d=="bool" else "*"+SHORT[d]
    text,name=print_function(native.source,kinds,vector_bytes(),FUNCTIONS)
    t1=time.perf_counter()
    o=object_of(with_entry(text,name,list(kinds.values())))
    t2=time.perf_counter()
    COUNT[0]+=1
    f=python_function(o,name,f"mg{COUNT[0]}")
    t3=time.perf_counter()
    TIMES.update(print=t1-t0,object=t2-t1,link=t3-t2,text=len(text))
    return f,{"seconds":t3-t0,"from_disk":False}
