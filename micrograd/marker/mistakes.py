"""What a report says of each kind of mistake, in English and in Simplified Chinese.

`what.` says what it is, `why.` why that is wrong, `step.` the smallest next step, which asks rather than tells: the
edit itself belongs to the hint level ``fix``. Holes are filled by `micrograd.marker.present.telling`; ``{by}`` and
``{shapes}`` are there or empty, as there is a ratio, or two shapes, to tell.
"""

from __future__ import annotations

__all__ = ["SENTENCES"]

SENTENCES: dict[str, tuple[str, str]] = {
    "what.sign": ("The sign is wrong: the value is minus what it should be.", "符号错了：得到的是正确值的相反数。"),
    "why.sign": (
        "A minus comes from a derivative: 1/u has -1/u**2, and a - b has -1 with respect to b.",
        "负号来自求导：1/u 的导数是 -1/u**2，a - b 对 b 的导数是 -1。",
    ),
    "step.sign": (
        "Which step of the forward is differentiated here, and does its derivative bring a minus?",
        "这里是对前向的哪一步求导？它的导数带负号吗？",
    ),
    "what.factor": ("A constant factor is off{by}.", "差一个常数因子{by}。"),
    "why.factor": (
        "Constants come from powers and roots: u**2 has the derivative 2*u, and sqrt(u) has 1/(2*sqrt(u)).",
        "常数来自幂和根：u**2 的导数是 2*u，sqrt(u) 的导数是 1/(2*sqrt(u))。",
    ),
    "step.factor": (
        "Which power or root does the forward have here, and which number comes down from it?",
        "前向在这里是哪个幂或根？求导时会落下哪个数？",
    ),
    "what.count": (
        "A mean was taken for a sum, or a sum for a mean{by}.",
        "把均值当成了求和，或把求和当成了均值{by}。",
    ),
    "why.count": (
        "A mean over N entries gives each of them 1/N of the gradient; a sum gives each of them all of it.",
        "对 N 个数取均值，每个数得到梯度的 1/N；求和则每个数得到全部梯度。",
    ),
    "step.count": ("Does the forward take a mean or a sum here?", "前向在这里取的是均值还是求和？"),
    "what.bessel": ("N - 1 and N are exchanged{by}.", "N - 1 与 N 用混了{by}。"),
    "why.bessel": (
        "The backward divides by the number that the forward divided by. np.var divides by N unless ddof=1 is said.",
        "前向除以多少，反向也除以多少。np.var 默认除以 N，除非写明 ddof=1。",
    ),
    "step.bessel": ("What does the forward divide by?", "前向除以的是多少？"),
    "what.wrong_count": ("The size of another axis was used{by}.", "用了另一个轴的大小{by}。"),
    "why.wrong_count": (
        (
            "The count is that of the axis which was averaged: N for the rows (axis 0), D for the columns (axis "
            "1). Where there are as many rows as columns, this mistake cannot be seen."
        ),
        "个数应取自被平均的那个轴：行（轴 0）是 N，列（轴 1）是 D。若行数与列数相等，就看不出这个错误。",
    ),
    "step.wrong_count": ("Over which axis does the forward average here?", "前向在这里沿哪个轴取平均？"),
    "what.no_axis": (
        "The sum runs over everything, where it should run along one axis{shapes}.",
        "对所有元素求了和，而这里只应沿一个轴求和{shapes}。",
    ),
    "why.no_axis": (
        "np.sum without axis= adds up all entries. A gradient has the shape of the value that it belongs to.",
        "不写 axis= 的 np.sum 会把所有元素相加。梯度的形状应与它所属的量相同。",
    ),
    "step.no_axis": (
        "Along which axis did the forward repeat this value? Only that one is summed.",
        "前向沿哪个轴重复使用了这个量？只对那个轴求和。",
    ),
    "what.wrong_axis": ("The sum runs over the wrong axis{shapes}.", "沿错误的轴求了和{shapes}。"),
    "why.wrong_axis": (
        (
            "A value that every row shares gets the sum over the rows, axis 0; one that every column shares gets "
            "the sum over the columns, axis 1."
        ),
        "所有行共用的量，其梯度沿行（轴 0）求和；所有列共用的量，沿列（轴 1）求和。",
    ),
    "step.wrong_axis": ("Along which axis did the forward repeat this value?", "前向沿哪个轴重复使用了这个量？"),
    "what.unsummed": ("A sum is missing{shapes}.", "缺少一次求和{shapes}。"),
    "why.unsummed": (
        (
            "The forward used one value for many entries (broadcasting). Each of those uses sends a gradient "
            "back, and they are added up."
        ),
        "前向把一个值用于许多元素（广播）。每次使用都会传回一份梯度，要把它们相加。",
    ),
    "step.unsummed": (
        "Compare the two shapes: which axis has to go? Add up along it.",
        "比较两个形状：哪个轴应当消失？沿着它求和。",
    ),
    "what.keepdims": (
        "The numbers are right, but there are axes too many or too few{shapes}.",
        "数值正确，但轴的个数不对{shapes}。",
    ),
    "why.keepdims": (
        (
            "A gradient has the shape of the value that it belongs to. Broadcasting hides the difference here; "
            "an update such as w -= rate * dw may trip over it later."
        ),
        "梯度的形状应与它所属的量相同。这里广播掩盖了差别；以后像 w -= rate * dw 这样的更新可能会因此出错。",
    ),
    "step.keepdims": (
        "Where does the extra axis come from: keepdims=True, a reshape, a [None, :]?",
        "多出的轴从哪里来：keepdims=True、reshape，还是 [None, :]？",
    ),
    "what.gamma_missing": ("A factor is missing{by}.", "少乘了一个因子{by}。"),
    "why.gamma_missing": (
        "For a product a * b, the derivative with respect to a is b: the other factor comes along.",
        "对乘积 a * b，关于 a 的导数是 b：另一个因子要带上。",
    ),
    "step.gamma_missing": ("By what does the forward multiply here?", "前向在这里乘以了什么？"),
    "what.gamma_twice": ("A factor comes in once too often{by}.", "多乘了一次因子{by}。"),
    "why.gamma_twice": (
        "Each step of the forward brings its factor once, and what this line reads may hold it already.",
        "前向的每一步只带来一次因子，而这一行读到的值里可能已经包含它。",
    ),
    "step.gamma_twice": (
        "Which of the values in this line has been multiplied by it before?",
        "这一行里的哪个值之前已经乘过它了？",
    ),
    "what.eps_missing": ("eps is missing{by}.", "漏了 eps{by}。"),
    "why.eps_missing": (
        (
            "The forward takes the root of var + eps, so the derivative is taken there too. With eps = 1e-5 this "
            "hardly shows; the check tries a larger one."
        ),
        "前向是对 var + eps 开方，导数也应在那里取值。eps = 1e-5 时几乎看不出来，所以这里用了更大的 eps 来检查。",
    ),
    "step.eps_missing": ("Where does the forward add eps?", "前向在哪里加上了 eps？"),
    "what.power": ("A power is wrong{by}.", "幂次错了{by}。"),
    "why.power": (
        "A derivative lowers the exponent by one: u**2 leaves u, 1/u leaves 1/u**2, sqrt(u) leaves 1/sqrt(u).",
        "求导使指数减一：u**2 留下 u，1/u 留下 1/u**2，sqrt(u) 留下 1/sqrt(u)。",
    ),
    "step.power": (
        "Write down the derivative of this one step of the forward. What is its exponent?",
        "写出前向这一步的导数。它的指数是几？",
    ),
    "what.swapped_value": (
        "Another value stands where the right one belongs{by}.",
        "这里用了另一个值，不是应有的那个{by}。",
    ),
    "why.swapped_value": (
        (
            "For a product a * b, the derivative with respect to a is b, and it is the very b that the forward "
            "multiplied by."
        ),
        "对乘积 a * b，关于 a 的导数是 b，而且正是前向所乘的那个 b。",
    ),
    "step.swapped_value": ("Which two values does the forward multiply in this step?", "前向在这一步把哪两个值相乘？"),
    "what.path_missing": ("A path is missing: {edge_name} is not in the sum.", "漏了一条路径：和里缺少{edge_name}。"),
    "why.path_missing": (
        "The forward uses {source} more than once. Each use sends a gradient back, and they are added up.",
        "前向不止一次用到 {source}。每次使用都会传回一份梯度，要把它们相加。",
    ),
    "step.path_missing": (
        "Find every line of the forward that reads {source}: each of them is one term of this sum.",
        "找出前向中所有用到 {source} 的行：每一行对应和里的一项。",
    ),
    "what.path_sign": (
        "A path has the wrong sign: {edge_name} is subtracted where it should be added.",
        "一条路径的符号错了：{edge_name}应当相加，却被减去了。",
    ),
    "why.path_sign": (
        (
            "Gradients that arrive on several paths are always added. A minus belongs inside one of them, where "
            "a derivative brings it."
        ),
        "沿几条路径传来的梯度总是相加的。负号只属于其中某一份，由它的导数带来。",
    ),
    "step.path_sign": ("Does that term have its own minus already?", "那一项是否已经带有自己的负号？"),
    "what.path_twice": ("A path is counted twice: {edge_name}.", "一条路径算了两次：{edge_name}。"),
    "why.path_twice": ("Each use in the forward sends its gradient back once.", "前向的每次使用只传回一次梯度。"),
    "step.path_twice": ("Which of the terms holds it already?", "哪一项里已经包含它了？"),
    "what.constant_statistics": (
        "Mean and variance are treated as constants: the paths through them are missing.",
        "把均值和方差当成了常数：缺少经过它们的路径。",
    ),
    "why.constant_statistics": (
        (
            "In training they are computed from x, so x acts on the output through them as well. They are "
            "constants only in test mode, where running averages are used."
        ),
        "训练时它们由 x 算出，所以 x 也通过它们影响输出。只有在使用滑动平均的测试模式下，它们才是常数。",
    ),
    "step.constant_statistics": (
        "By which ways does x reach the output in the forward? Follow each of them back.",
        "前向中 x 沿哪几条路到达输出？把每一条都往回走一遍。",
    ),
    "what.path_dropped_harmless": (
        "{edge_name_cap} is left out. It is always zero, so the numbers are right.",
        "省略了{edge_name}。它恒为零，所以数值是对的。",
    ),
    "why.path_dropped_harmless": (
        "{reason}. The path exists all the same; a comment that says why it may go would help whoever reads this.",
        "{reason}。不过这条路径是存在的；加一句注释说明为何可以省略，会对读者有帮助。",
    ),
    "step.path_dropped_harmless": ("Nothing needs to be changed.", "不需要修改。"),
    "what.wrong_path": ("This is the gradient of another path{of}.", "这是另一条路径的梯度{of}。"),
    "why.wrong_path": (
        "Each use of a value in the forward has a gradient of its own, and they are easily taken for one another.",
        "前向中对一个值的每次使用都有各自的梯度，容易混淆。",
    ),
    "step.wrong_path": (
        "Which use in the forward does this line belong to, and which gradient arrives there?",
        "这一行对应前向中的哪一次使用？到达那里的是哪个梯度？",
    ),
    "what.upstream_ignored": (
        (
            "It does not follow the gradient that arrives: twice the upstream gradient should make it twice as "
            "large, and does not."
        ),
        "它没有跟随上游梯度：上游梯度加倍时它也应加倍，却没有。",
    ),
    "why.upstream_ignored": (
        (
            "A gradient is the upstream gradient times derivatives. Here a value of the forward stands in the "
            "place of the upstream gradient."
        ),
        "梯度等于上游梯度乘以导数。这里用前向的值代替了上游梯度。",
    ),
    "step.upstream_ignored": ("Which gradient should this line read?", "这一行应当用到哪个梯度？"),
    "what.return_order": (
        "The gradients are right, but they come back in another order.",
        "梯度都对，但返回的顺序不对。",
    ),
    "why.return_order": (
        "Whoever calls this expects them in the order of the forward's parameters.",
        "调用者会按前向参数的顺序取用它们。",
    ),
    "step.return_order": (
        "Hold the return statement beside the parameters of the forward.",
        "把 return 语句与前向的参数对照一下。",
    ),
    "what.transposed": (
        "A transpose is missing or superfluous, or the factors of a matrix product are exchanged{shapes}.",
        "缺少或多了一个转置，或矩阵乘积的两个因子颠倒了{shapes}。",
    ),
    "why.transposed": (
        "For out = x @ w, the gradients are dx = dout @ w.T and dw = x.T @ dout. The shapes allow nothing else.",
        "对 out = x @ w，梯度是 dx = dout @ w.T 和 dw = x.T @ dout。形状只允许这样写。",
    ),
    "step.transposed": ("Write down the shapes of both factors and of the result.", "写下两个因子和结果的形状。"),
    "what.overwritten": (
        "= stands where += belongs: what was there before is lost.",
        "该用 += 却用了 =：之前的内容丢失了。",
    ),
    "why.overwritten": (
        "A value that is used several times collects one gradient from each use.",
        "被多次使用的值，要累加每次使用传回的梯度。",
    ),
    "step.overwritten": (
        "What does this variable hold before this line, and is it still needed?",
        "执行这一行之前这个变量里是什么？还需要吗？",
    ),
    "what.accumulated": (
        "+= stands where = belongs: it is added to something that has no place here.",
        "该用 = 却用了 +=：加上了不该有的内容。",
    ),
    "why.accumulated": (
        "Only the parts of one and the same gradient are added up.",
        "只有同一个梯度的各个部分才相加。",
    ),
    "step.accumulated": ("What does this variable hold before this line?", "执行这一行之前这个变量里是什么？"),
    "what.stale": (
        "A second call answers other gradients than the first: something is left over from the call before.",
        "第二次调用得到的梯度与第一次不同：有东西从上一次调用遗留下来。",
    ),
    "why.stale": (
        "A gradient that is added up must begin at zero in every call.",
        "累加的梯度在每次调用时都必须从零开始。",
    ),
    "step.stale": (
        "What here lives longer than one call: a global, an attribute, a default argument?",
        "这里有什么会在调用结束后保留下来：全局变量、属性，还是默认参数？",
    ),
    "what.in_place": ("It writes into an array that others still read.", "它写入了别处还要用到的数组。"),
    "why.in_place": (
        (
            "a *= b and a[...] = b change the array itself, so the change shows wherever that array is used: in "
            "the cache, in later lines, in the next call."
        ),
        "a *= b 和 a[...] = b 会修改数组本身，所有用到这个数组的地方都会受影响：缓存、后面的行、下一次调用。",
    ),
    "step.in_place": (
        "Make a new array instead: a = a * b, or copy it first.",
        "改为生成新的数组：a = a * b，或先复制一份。",
    ),
    "what.call_error": ("{reason}", "{reason}"),
    "why.call_error": ("", ""),
    "step.call_error": (
        "Look at the values that this line reads, and at their shapes.",
        "看看这一行用到的值以及它们的形状。",
    ),
    "what.other_norm": ("This is the formula of another normalization.", "这是另一种归一化的公式。"),
    "why.other_norm": (
        (
            "Batch norm averages over the rows (axis 0, N of them), layer norm over the features (axis 1, D of "
            "them). With N = D one passes for the other."
        ),
        "批归一化沿行取平均（轴 0，共 N 个），层归一化沿特征取平均（轴 1，共 D 个）。N = D 时两者会被混为一谈。",
    ),
    "step.other_norm": (
        "Over which axis does the forward take the mean, and how many entries has it?",
        "前向沿哪个轴取均值？那个轴有多少个元素？",
    ),
    "what.mask": (
        "The mask is not that of the forward: missing, inverted, or made from another value.",
        "掩码与前向不一致：缺失、取反，或由别的值得到。",
    ),
    "why.mask": (
        "The gradient passes where the forward let the value pass, and is zero everywhere else.",
        "前向放行之处，梯度也放行；其余各处梯度为零。",
    ),
    "step.mask": ("For which entries does the output depend on the input?", "输出依赖于输入的哪些元素？"),
    "what.index": (
        "It is the wrong part of an array: an index, a slice, a stride or a shape is off{shapes}.",
        "取错了数组的部分：下标、切片、步长或形状有误{shapes}。",
    ),
    "why.index": ("A gradient goes back to the very entries that the forward read.", "梯度要传回前向读取的那些元素。"),
    "step.index": ("Write the forward's index beside this one.", "把前向的下标写在旁边对照。"),
    "what.operator": ("Another operation stands where the right one belongs{by}.", "用错了运算{by}。"),
    "why.operator": (
        "A product a * b brings its other factor, a quotient a / b brings 1/b and -a/b**2, a sum brings nothing.",
        "乘积 a * b 带来另一个因子，商 a / b 带来 1/b 和 -a/b**2，和不带来任何因子。",
    ),
    "step.operator": (
        "Which operation of the forward is this, and what is its derivative?",
        "这对应前向的哪个运算？它的导数是什么？",
    ),
    "what.missing_result": (
        "{target} does not come back: nothing, or None, is returned for it.",
        "没有返回 {target}：缺少它，或返回了 None。",
    ),
    "why.missing_result": (
        "Every array that the forward is given needs its gradient.",
        "前向得到的每个数组都需要梯度。",
    ),
    "step.missing_result": (
        "Look at the return statement: are all gradients in it?",
        "看看 return 语句：所有梯度都在里面吗？",
    ),
    "what.eps_outside": (
        "eps is added outside the square root; the usual form is sqrt(var + eps).",
        "eps 加在了根号外；通常的写法是 sqrt(var + eps)。",
    ),
    "why.eps_outside": (
        (
            "A backward that follows it is right for it, so no gradient gives it away. Yet the function differs from "
            "everybody else's."
        ),
        "与这个前向一致的反向对它来说是对的，所以从梯度上看不出来。但它与大家通常使用的函数不同。",
    ),
    "step.eps_outside": (
        "Move eps under the root in the forward, then check again.",
        "在前向中把 eps 移到根号里，再检查一次。",
    ),
    "what.unknown": ("The value is wrong, and not in a way that has a name here.", "这个值有误，但不属于已知的类型。"),
    "why.unknown": (
        "It is no multiple of the right value, no other gradient, and not the right one with a path left out.",
        "它不是正确值的倍数，不是别的梯度，也不是漏掉某条路径的结果。",
    ),
    "step.unknown": (
        "Take two rows and one column, and work this line out with pencil and paper.",
        "取两行一列，用纸笔把这一行算一遍。",
    ),
}
