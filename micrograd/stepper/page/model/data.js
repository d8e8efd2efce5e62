// The data of the walk, as micrograd.stepper.page_data writes it; the types below name its TypedDicts field by field.

/** @typedef {'forward' | 'backward'} Side */
/** @typedef {number | 'NaN' | 'Infinity' | '-Infinity'} WrittenNumber a number as JSON can hold it */
/** @typedef {Record<string, string>} Translated one text in each language */
/**
 * @typedef {object} SummaryData what stands for the cells of a large array
 * @property {WrittenNumber} mean
 * @property {WrittenNumber} min
 * @property {WrittenNumber} max
 * @property {number[]} histogram
 * @property {WrittenNumber[][]} corner
 */
/**
 * @typedef {object} ArrayData
 * @property {number[]} shape
 * @property {WrittenNumber[]} [data]
 * @property {SummaryData} [summary]
 */
/**
 * @typedef {object} SourceRange
 * @property {number} block
 * @property {number} line
 * @property {number} column
 * @property {number} endLine
 * @property {number} endColumn
 */
/**
 * @typedef {object} SourceBlock
 * @property {string} name
 * @property {string} file
 * @property {number} first
 * @property {string[]} lines
 */
/**
 * @typedef {object} InlineNumber a number written in a formula of the user's
 * @property {WrittenNumber} number
 * @property {string} name
 */
/**
 * @typedef {object} MovedCells
 * @property {number[]} [from]
 * @property {number[]} [to]
 */
/**
 * @typedef {object} NodeData
 * @property {string} name
 * @property {string} op
 * @property {string} kind
 * @property {number[]} shape
 * @property {string} dtype
 * @property {(number | InlineNumber)[]} operands
 * @property {Record<string, any>} attrs
 * @property {number | null} stage
 * @property {SourceRange | null} source
 * @property {string} statement
 * @property {ArrayData | null} value
 * @property {number | null} from
 * @property {MovedCells} [cells]
 */
/**
 * @typedef {object} GraphData
 * @property {NodeData[]} nodes
 * @property {number[]} outputs
 */
/**
 * @typedef {object} StageData
 * @property {string} title
 * @property {number[]} nodes
 */
/**
 * @typedef {object} PathData one term of the sum that a gradient is
 * @property {string} name
 * @property {number} grad
 * @property {number | null} from
 */
/**
 * @typedef {object} EdgeData
 * @property {number} operand
 * @property {number} slot
 * @property {string} name
 * @property {number} grad
 * @property {string} local
 */
/**
 * @typedef {object} MathData
 * @property {string} names
 * @property {string} numbers
 */
/**
 * @typedef {object} FoldedData
 * @property {number[]} axes
 */
/**
 * @typedef {object} SpreadData
 * @property {number[]} shape
 * @property {number[]} operands
 */
/**
 * @typedef {object} StepData
 * @property {Side} phase
 * @property {number} node
 * @property {EdgeData | null} edge
 * @property {number | null} gradient
 * @property {PathData[]} paths
 * @property {number | null} stage
 * @property {MathData} math
 * @property {FoldedData | null} folded
 * @property {SpreadData | null} spread
 * @property {string[]} why
 * @property {Translated} title
 * @property {Translated} say
 */
/**
 * @typedef {object} LimitData
 * @property {boolean} live
 */
/**
 * @typedef {object} FrameData
 * @property {string} numbers
 * @property {SummaryData[]} summaries
 */
/**
 * @typedef {object} TrainingData
 * @property {WrittenNumber[]} losses
 * @property {Record<Side, number[]>} varies
 * @property {FrameData[]} frames
 */
/**
 * @typedef {object} WalkData
 * @property {number} version
 * @property {string} title
 * @property {string} lang
 * @property {Record<string, Record<string, string>>} words
 * @property {SourceBlock[]} sources
 * @property {StageData[]} stages
 * @property {string} svg
 * @property {Record<Side, GraphData>} graphs
 * @property {StepData[]} steps
 * @property {boolean} seedMade
 * @property {LimitData} limits
 * @property {TrainingData} [training]
 */

/** @type {WalkData} */
export const data = JSON.parse(/** @type {HTMLElement} */ (document.getElementById('data')).textContent || '');
export const {steps} = data;
export const {forward, backward} = data.graphs;
export const sides = /** @type {[Side, GraphData][]} */ (Object.entries(data.graphs));

/**
 * Say whether a node is given rather than computed.
 * @param {NodeData} node
 * @returns {boolean}
 */
export const isLeaf = (node) => ['input', 'parameter', 'constant'].includes(node.kind);

/**
 * Say whether a node of the backward graph is a value of the forward pass that the backward pass reads.
 * @param {NodeData} node
 * @returns {boolean}
 */
export const isForwardValue = (node) => node.from !== null && node.from !== undefined;

/**
 * Name a node of the forward graph.
 * @param {number} index
 * @returns {string}
 */
export const nodeName = (index) => forward.nodes[index].name;

/**
 * List the operands of a node that are nodes themselves.
 * @param {NodeData} node
 * @returns {number[]}
 */
export const nodeOperands = (node) => /** @type {number[]} */ (node.operands.filter((o) => typeof o === 'number'));
